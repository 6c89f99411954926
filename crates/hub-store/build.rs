//! A new migration is a new file, and the compiler watches only files it has read: this has it look at the folder.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
