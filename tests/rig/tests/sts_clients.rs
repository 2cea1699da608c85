//! The STS responder with a real client: boto3.

use std::process::Command;

use anyhow::{Result, ensure};
use rig::Rig;
use rig::sts::{Responder, secret_for, token_for};

const CALLS: &str = r#"
import boto3, sys

def client(key, secret, token=None):
    return boto3.client('sts', endpoint_url=sys.argv[1], region_name='eu-west-1',
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token)

sts = client('AKIDEXAMPLE', 'example')
role = 'arn:aws:iam::111122223333:role/reader'
got = sts.assume_role(RoleArn=role, RoleSessionName='me', DurationSeconds=900,
    Tags=[{'Key': 'team', 'Value': 'a & b'}])
key = got['Credentials']
assert got['AssumedRoleUser']['Arn'] == 'arn:aws:sts::111122223333:assumed-role/reader/me', got
assert key['Expiration'].year > 2000
sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName='me', WebIdentityToken='a.b.c.d')
sts.get_session_token()
sts.get_federation_token(Name='bob')
if sys.argv[2] == 'own':
    sts.assume_role_with_saml(RoleArn=role, PrincipalArn='arn:aws:iam::111122223333:saml-provider/p',
        SAMLAssertion='PHNhbWw+')
    sts.get_web_identity_token(Audience=['x'], SigningAlgorithm='RS256')
    sts.assume_root(TargetPrincipal='111122223333',
        TaskPolicyArn={'arn': 'arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials'})
    chained = client(key['AccessKeyId'], key['SecretAccessKey'], key['SessionToken'])
    assert chained.get_caller_identity()['Arn'] == got['AssumedRoleUser']['Arn']
print(key['AccessKeyId'], key['SecretAccessKey'], key['SessionToken'])
"#;

fn boto3(rig: &Rig, sts: &Responder, whose: &str) -> Result<[String; 3]> {
    let run = Command::new(rig.python()).args(["-c", CALLS, &sts.url(), whose]).output()?;
    let text = String::from_utf8(run.stdout)?;
    ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut words = text.split_whitespace().map(str::to_owned);
    Ok(std::array::from_fn(|_| words.next().unwrap_or_default()))
}

#[test]
fn boto3_reads_credentials_of_the_responder_and_of_moto() -> Result<()> {
    let rig = Rig::start()?;
    let sts = Responder::start()?;
    let [id, secret, token] = boto3(&rig, &sts, "own")?;
    ensure!(secret == secret_for(&id) && token == token_for(&id));
    ensure!(sts.issued().len() == 7 && sts.calls_total() == 8);
    let chained = &sts.requests()[7];
    ensure!(chained.security_token.as_ref() == Some(&token));

    let sts = Responder::forwarding_to(&rig.moto()?)?;
    let [id, secret, token] = boto3(&rig, &sts, "moto")?;
    ensure!(sts.calls("AssumeRole") == 1 && sts.calls_total() == 4);
    let first = &sts.issued()[0];
    ensure!((&first.access_key_id, &first.secret, &first.token) == (&id, &secret, &token));
    Ok(())
}
