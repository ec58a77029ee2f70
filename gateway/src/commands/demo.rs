//! `portcullis demo`: a gateway to play with, and nothing installed.

use std::io::Write;

use super::Stop;
use crate::cli::DemoArgs;
use crate::demo::{self, Outcome, Settings};

pub(super) async fn run(args: DemoArgs, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let settings = Settings { dir: args.dir, plugins: args.plugins, tour: args.tour };
    match demo::run(&settings, out).await {
        Ok(Outcome::Good) => Ok(()),
        // The output has named what failed already.
        Ok(Outcome::Wrong) => Err(Stop::failed("")),
        Ok(Outcome::Interrupted) => Err(Stop::failed("interrupted")),
        Err(demo::Error::Output(error)) => Err(error.into()),
        Err(error) => Err(Stop::failed(error.to_string())),
    }
}
