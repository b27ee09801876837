//! A small file system, which can be filled up.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of a few megabytes over a folder. It goes away when it is dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where nobody lets us mount it, which only root may.
    pub(crate) fn over(folder: &Path, megabytes: u32, owner: Option<&str>) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let size = format!("size={megabytes}m,mode=700");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: a small file system can be mounted by root only");
            return None;
        }
        let disk = Self(folder.to_owned());
        if let Some(owner) = owner {
            let owned = Command::new("chown").arg(owner).arg(folder).status();
            assert!(owned.unwrap().success());
        }
        Some(disk)
    }

    /// The same over a folder that has something in it, which is kept.
    pub(crate) fn over_full(folder: &Path, megabytes: u32, owner: &str) -> Option<Self> {
        let aside = folder.with_extension("aside");
        fs::rename(folder, &aside).unwrap();
        let disk = Self::over(folder, megabytes, Some(owner))?;
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(aside.join(".")).arg(folder);
        assert!(copy.status().unwrap().success());
        Some(disk)
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).unwrap();
        for size in [65536, 4096, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still have files open there.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}
