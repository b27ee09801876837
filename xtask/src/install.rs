//! `--install`: gets missing programs from the system's package manager.

use std::path::Path;

use crate::backends::BACKENDS;
use crate::run;
use crate::tools::TOOLS;

/// What the system offers for installing.
#[derive(Clone, Copy, Debug)]
struct System {
    apt: bool,
    root: bool,
    sudo: bool,
}

/// What to do about missing packages.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    Run(Vec<Vec<String>>),
    Tell(String),
}

/// Installs what is missing, or says what to install. Failing here fails nothing by itself: the
/// closing table names what is still missing, and `--require` decides.
pub(crate) fn missing() {
    match plan(&packages(run::root()), system()) {
        Plan::Nothing => println!("install: nothing is missing"),
        Plan::Tell(text) => println!("install: {text}"),
        Plan::Run(commands) => {
            for command in commands {
                println!("install: {}", command.join(" "));
                let mut child = run::program(&command[0]);
                child
                    .args(&command[1..])
                    .env("DEBIAN_FRONTEND", "noninteractive");
                if !run::succeeds(&mut child) {
                    println!("install: that failed");
                    return;
                }
            }
        }
    }
}

/// The packages of the tools that are missing, and of the servers whose stores exist.
fn packages(root: &Path) -> Vec<&'static str> {
    let tools = TOOLS
        .iter()
        .filter(|tool| tool.version().is_none())
        .map(|tool| tool.package);
    let servers = BACKENDS
        .iter()
        .filter(|b| b.built(root))
        .filter_map(|b| b.program)
        .filter(|(program, _)| run::on_path(program).is_none())
        .map(|(_, package)| package);
    tools.chain(servers).collect()
}

fn system() -> System {
    System {
        apt: run::on_path("apt-get").is_some(),
        root: run::output(run::program("id").arg("-u")).is_ok_and(|id| id.trim() == "0"),
        sudo: run::on_path("sudo").is_some(),
    }
}

fn plan(packages: &[&str], system: System) -> Plan {
    if packages.is_empty() {
        return Plan::Nothing;
    }
    if !system.apt || !(system.root || system.sudo) {
        return Plan::Tell(format!(
            "please install these yourself (Debian's names): {}",
            packages.join(" ")
        ));
    }
    let apt = |words: &[&str]| -> Vec<String> {
        let sudo = (!system.root).then_some("sudo");
        sudo.iter()
            .chain(&["apt-get"])
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect()
    };
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    Plan::Run(vec![apt(&["update"]), apt(&install)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: System = System {
        apt: true,
        root: true,
        sudo: false,
    };

    fn words(plan: Plan) -> Vec<String> {
        match plan {
            Plan::Run(commands) => commands.iter().map(|command| command.join(" ")).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        assert_eq!(plan(&[], DEBIAN), Plan::Nothing);
        assert_eq!(
            words(plan(&["nodejs", "npm"], DEBIAN)),
            [
                "apt-get update",
                "apt-get install -y --no-install-recommends nodejs npm"
            ]
        );
    }

    #[test]
    fn sudo_where_we_are_not_root() {
        let system = System {
            root: false,
            sudo: true,
            ..DEBIAN
        };
        assert_eq!(words(plan(&["npm"], system))[0], "sudo apt-get update");
    }

    #[test]
    fn elsewhere_the_packages_are_named() {
        for system in [
            System {
                apt: false,
                ..DEBIAN
            },
            System {
                root: false,
                ..DEBIAN
            },
        ] {
            let Plan::Tell(text) = plan(&["chromium-driver"], system) else {
                panic!()
            };
            assert!(text.contains("chromium-driver"), "{text}");
        }
    }
}
