//! The chapters about a program that gets its credentials from the agent.

use anyhow::{Context, Result, ensure};

use super::{SOON, Story};
use crate::consumers::Caller;
use crate::program::{Agent, Program};
use crate::stage::ROTATING;

/// How many keys the program must have used at the end.
const KEYS: usize = 2;

impl Story<'_> {
    pub(super) async fn a_program_starts(&self) -> Result<()> {
        self.chapter(
            "A program with an AWS SDK (boto3) starts. It gets its credentials from the agent, and calls AWS \
             until the end of the demo.",
        );
        self.deed(format!(
            "the Secret of {ROTATING} is mounted, here by the demo instead of a kubelet"
        ));
        let agent = Agent::start(self.stage)?;
        self.deed(agent.command());
        agent.ready(SOON).await?;
        let program = Program::start(self.stage, agent)?;
        self.deed(program.command());
        let caller = Caller::new(program.pid());
        self.board.send_modify(|board| board.caller = Some(caller));
        ensure!(self.program.set(program).is_ok(), "the program was started twice");
        self.until("the program's first call", SOON, |board| {
            (board.caller.as_ref()?.calls > 0).then_some(())
        })
        .await
    }

    pub(super) async fn the_program_goes_on(&self) -> Result<()> {
        self.chapter(
            "The program has used the new keys without a restart, and no call has failed.",
        );
        let caller = self
            .until("the program uses another key", SOON, |board| {
                board.caller.clone().filter(|caller| caller.keys.len() >= KEYS)
            })
            .await?;
        // One more call, so that the answer to the first one with the new key has arrived.
        self.until("the program's next call", SOON, |board| {
            (board.caller.as_ref()?.calls > caller.calls).then_some(())
        })
        .await?;
        let program = self.program.get().context("the program has not started")?;
        program.must_run()?;
        let (row, identity) = (self.row(ROTATING)?, program.identity()?);
        ensure!(
            row.status.principal_arn.as_deref() == Some(identity.as_str()),
            "STS knows the program as {identity}, and the status has {:?}",
            row.status.principal_arn
        );
        self.used_as_issued(&caller)?;
        let Caller { pid, calls, keys } = caller;
        let keys = keys.len();
        self.good(format!(
            "boto3 in process {pid}: {calls} calls with {keys} keys, all as {identity}"
        ));
        Ok(())
    }

    /// Fails unless the operator issued the keys of the program, in this order.
    fn used_as_issued(&self, caller: &Caller) -> Result<()> {
        let issued = self.stage.sts.issued();
        let mut issued = issued.iter().map(|record| &record.access_key_id);
        for key in &caller.keys {
            ensure!(
                issued.any(|other| other == key),
                "the program used {key}, which was not issued, or only before the keys that it used first"
            );
        }
        Ok(())
    }
}
