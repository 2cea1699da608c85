"""Calls GetCallerIdentity for each line of the input, always with the same client."""

import sys

import boto3


def say(text):
    print("sdk:", " ".join(text.split()), flush=True)


client = None
say("ready")
for _ in sys.stdin:
    try:
        client = client or boto3.client("sts")
        say("ok " + client.get_caller_identity()["Arn"])
    except Exception as error:
        say(f"error {type(error).__name__}: {error}")
