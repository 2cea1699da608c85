// Command sdk-go calls GetCallerIdentity for each line of the input, always with the same client.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	ctx := context.Background()
	var client *sts.Client
	say("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if client == nil {
			settings, err := config.LoadDefaultConfig(ctx)
			if err != nil {
				say("error " + err.Error())
				continue
			}
			client = sts.NewFromConfig(settings)
		}
		identity, err := client.GetCallerIdentity(ctx, nil)
		if err != nil {
			say("error " + err.Error())
			continue
		}
		say("ok " + *identity.Arn)
	}
}

func say(text string) {
	fmt.Println("sdk:", strings.Join(strings.Fields(text), " "))
}
