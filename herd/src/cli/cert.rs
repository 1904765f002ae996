//! `herd cert`: a certificate authority for development, and a certificate for each server's links.
//!
//! Files that are there are kept: run again, it adds what is missing. The authority's own certificate is never made
//! anew, since all others follow from it.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf, absolute},
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow, bail};
use herd_core::server::Name;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use super::{Failure, output::output};
use crate::{
    config::{Config, Preset, TlsFiles},
    links::Certificates,
};

/// What the authority calls itself. Certificates refer to it by this name and by its key, so an authority on disk is
/// known again by its key alone.
const AUTHORITY: &str = "herd development CA";

/// The authority outlives what follows from it.
const AUTHORITY_DAYS: u64 = 3650;

/// How much earlier than made a certificate is valid: clocks of machines differ.
const EARLIER: Duration = Duration::from_secs(3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Makes certificates for links.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Servers by name, instead of those of a herd
    #[arg(value_parser = Name::new, conflicts_with_all = ["preset", "config"])]
    names: Vec<Name>,
    /// A herd that ships: goloman (default), farmar, riley or bailey
    #[arg(long)]
    preset: Option<Preset>,
    /// A configuration file
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// Folder for the files; those of a CA that is there already are used
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Days that the servers' certificates are valid
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u64).range(1..=AUTHORITY_DAYS))]
    days: u64,
    /// Makes servers' certificates and keys anew where there are some
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let names = match (&args.config, args.names.as_slice()) {
        (Some(file), _) => servers(Config::load(file)?),
        (None, []) => servers(args.preset.unwrap_or_default().config()?),
        (None, names) => names.to_vec(),
    };
    if let Some((name, mistake)) = TlsFiles::mistake(&names) {
        return Err(Failure::Wrong(anyhow!("{mistake}, found {name}")));
    }
    let files = files(&args.out);
    let missing = missing(&files, &names, args.force).map_err(Failure::Wrong)?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let mut out = output();
    let authority = authority(&files.ca, &mut out)?;
    for (name, is_missing) in names.iter().zip(missing) {
        let TlsFiles { cert, key, .. } = files.of(name);
        let (cert, key) = (cert.display(), key.display());
        if is_missing {
            certify(&authority, &files.of(name), name, args.days)?;
            writeln!(out, "made {cert} and {key}, good for {} days", args.days)?;
        } else {
            writeln!(out, "kept {cert} and {key}")?;
        }
    }
    write!(out, "\nin the configuration:\n\n{}", self::files(&as_configured(args)?).section())?;
    Ok(())
}

fn servers(config: Config) -> Vec<Name> {
    config.servers.into_iter().map(|server| server.name).collect()
}

fn files(folder: &Path) -> TlsFiles {
    let [ca, cert, key] = ["ca.pem", "{server}.pem", "{server}.key"].map(|file| folder.join(file));
    TlsFiles { ca, cert, key }
}

/// Whose certificates are to be made.
fn missing(files: &TlsFiles, names: &[Name], is_forced: bool) -> anyhow::Result<Vec<bool>> {
    let is_missing = |name: &Name| {
        let own = files.of(name);
        if own.cert == own.ca {
            bail!("a server called {name} would share its files with the CA");
        }
        match (own.cert.exists(), own.key.exists()) {
            _ if is_forced => Ok(true),
            (true, true) => Ok(false),
            (false, false) => Ok(true),
            (true, false) => bail!("there is a certificate without its key; --force makes both: {name}"),
            (false, true) => bail!("there is a key without its certificate; --force makes both: {name}"),
        }
    };
    names.iter().map(is_missing).collect()
}

/// The authority of a folder, made if there is none.
fn authority(ca: &Path, out: &mut impl Write) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let key_file = ca.with_extension("key");
    let mut params = params(AUTHORITY, AUTHORITY_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let shown = (ca.display(), key_file.display());
    let key = match (ca.exists(), key_file.exists()) {
        (true, true) => {
            let text = fs::read_to_string(&key_file).with_context(|| format!("cannot read {}", shown.1))?;
            writeln!(out, "kept {} and {}", shown.0, shown.1)?;
            // The error may say what is in the file.
            KeyPair::from_pem(&text).map_err(|_| anyhow!("there is no private key in {}", shown.1))?
        }
        (false, false) => {
            let key = KeyPair::generate()?;
            write_new(&key_file, &key.serialize_pem(), 0o600)?;
            write_new(ca, &params.self_signed(&key)?.pem(), 0o644)?;
            writeln!(out, "made {}, good for {AUTHORITY_DAYS} days", shown.0)?;
            writeln!(out, "made {}: who has it can be any server, so keep it on none", shown.1)?;
            key
        }
        (true, false) => bail!("there is {}, and its key is not: {}", shown.0, shown.1),
        (false, true) => bail!("there is {}, and its certificate is not: {}", shown.1, shown.0),
    };
    Ok(Issuer::new(params, key))
}

/// Makes a certificate and its key, and sees to it that neighbours will accept them.
fn certify(authority: &Issuer<'_, KeyPair>, files: &TlsFiles, name: &Name, days: u64) -> anyhow::Result<()> {
    let mut params = params(name.as_str(), days);
    params.subject_alt_names = CertificateParams::new([name.as_str().to_owned()])?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    for (file, text, mode) in
        [(&files.key, key.serialize_pem(), 0o600), (&files.cert, certificate.pem(), 0o644)]
    {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", file.display()));
            }
            _ => write_new(file, &text, mode)?,
        }
    }
    match Certificates::load(files, name)? {
        (_, None) => Ok(()),
        (_, Some(why)) => {
            drop((fs::remove_file(&files.cert), fs::remove_file(&files.key)));
            bail!("{} did not come from herd cert, make certificates where it did: {why}", files.ca.display())
        }
    }
}

fn params(common_name: &str, days: u64) -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + DAY * u32::try_from(days).unwrap_or(u32::MAX)).into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The folder as the configuration has to name it: from its own, if that is known and around it.
fn as_configured(args: &Args) -> io::Result<PathBuf> {
    let home = args.config.as_deref().and_then(Path::parent).map(absolute_folder).transpose()?;
    let out = absolute(&args.out)?;
    Ok(home.and_then(|home| out.strip_prefix(home).map(Path::to_owned).ok()).unwrap_or(out))
}

fn absolute_folder(folder: &Path) -> io::Result<PathBuf> {
    absolute(Path::new(".").join(folder))
}
