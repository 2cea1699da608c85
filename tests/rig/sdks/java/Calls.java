import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

import software.amazon.awssdk.services.sts.StsClient;

/** Calls GetCallerIdentity for each line of the input, always with the same client. */
public final class Calls {
    public static void main(String[] args) throws IOException {
        StsClient client = null;
        say("ready");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            try {
                if (client == null) {
                    client = StsClient.create();
                }
                say("ok " + client.getCallerIdentity().arn());
            } catch (RuntimeException error) {
                say("error " + error);
            }
        }
    }

    private static void say(String text) {
        System.out.println("sdk: " + text.replaceAll("\\s+", " "));
        System.out.flush();
    }
}
