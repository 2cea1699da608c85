"""A long-lived program as a user would write it: it knows nothing of tempcred, and never reads credentials itself.

The AWS SDK finds the agent in AWS_CONTAINER_CREDENTIALS_FULL_URI. A call that fails ends the program.
"""

import os
import time

import boto3

sts = boto3.client("sts")
while True:
    print("called by process", os.getpid(), "as", sts.get_caller_identity()["Arn"], flush=True)
    time.sleep(0.5)
