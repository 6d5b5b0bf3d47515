//! The certificate by which the EC2 API is served over TLS.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use tokio_rustls::TlsAcceptor;

use crate::SimError;

/// What the API is called: its address here, and EC2's own name for a host that resolves it to that address.
const NAMES: [&str; 2] = ["192.0.2.1", "ec2.us-east-1.amazonaws.com"];

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum Identity {
    /// PEM files of somebody else.
    Files {
        /// The certificate, and those that lead to its authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// `ca.crt`, `tls.crt` and `tls.key` of this folder; they are made if they are not there. The key of the authority is
    /// never written.
    Folder(PathBuf),
}

impl Identity {
    /// What takes a TCP connection and makes a TLS one of it.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, SimError> {
        let (certificate, key) = match self {
            Self::Files { certificate, key } => (certificate.clone(), key.clone()),
            Self::Folder(folder) => {
                let files = (folder.join("tls.crt"), folder.join("tls.key"));
                if !(files.0.exists() && files.1.exists() && folder.join("ca.crt").exists()) {
                    issue(folder)?;
                }
                files
            }
        };
        let unread = |path: &Path| {
            let path = path.to_owned();
            |source: pem::Error| SimError::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(&certificate)
            .and_then(Iterator::collect)
            .map_err(unread(&certificate))?;
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(unread(&key))?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, secret))
            .map_err(SimError::Tls)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Makes an authority and a certificate of it for the API.
fn issue(folder: &Path) -> Result<(), SimError> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority
        .distinguished_name
        .push(DnType::CommonName, "vpc-sim");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut server = CertificateParams::new(NAMES.map(str::to_owned))?;
    server
        .distinguished_name
        .push(DnType::CommonName, "vpc-sim EC2 API");
    server.use_authority_key_identifier_extension = true;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    let file = |source, path: &Path| SimError::File {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(|error| file(error, folder))?;
    for (name, text) in [
        ("ca.crt", authority.pem()),
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| file(error, &path))?;
    }
    Ok(())
}
