// Calls GetCallerIdentity for each line of the input, always with the same client.
import { createInterface } from "node:readline";

import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const say = (text) => console.log("sdk: " + text.split(/\s+/).join(" "));

let client;
say("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    client ??= new STSClient({});
    const { Arn } = await client.send(new GetCallerIdentityCommand({}));
    say(`ok ${Arn}`);
  } catch (error) {
    say(`error ${error.name}: ${error.message}`);
  }
}
