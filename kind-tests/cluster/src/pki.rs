//! The cluster's certificate authority, and the identities it signs.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use crate::error::{Result, at};

/// Signs certificates, until it is dropped: its key is never written.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    server: String,
}

impl Authority {
    /// A new authority for the API server at this URL.
    pub(crate) fn new(server: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "eniclaim test cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self {
            issuer,
            server: server.to_owned(),
        })
    }

    /// Fills `folder` with `ca.crt`, `tls.crt`, `tls.key` and a `kubeconfig` that names them relative to itself.
    /// The name is `group/user` or `user`, as Kubernetes reads a certificate's organisation and common name.
    pub(crate) fn identity(&self, folder: &Path, name: &str, hosts: &[&str]) -> Result<()> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts)?;
        let (group, user) = name.split_once('/').unzip();
        params
            .distinguished_name
            .push(DnType::CommonName, user.unwrap_or(name));
        if let Some(group) = group {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        at(folder, fs::create_dir_all(folder))?;
        write(folder, "ca.crt", &self.issuer.pem())?;
        write(folder, "tls.crt", &certificate.pem())?;
        write(folder, "tls.key", &key.serialize_pem())?;
        write(folder, "kubeconfig", &self.kubeconfig())
    }

    fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "cluster",
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
            "clusters": [{"name": "cluster", "cluster": {"server": self.server, "certificate-authority": "ca.crt"}}],
            "users": [{"name": "user", "user": {"client-certificate": "tls.crt", "client-key": "tls.key"}}],
        })
        .to_string()
    }
}

/// Writes the key pair by which the control plane signs `ServiceAccount` tokens.
pub(crate) fn service_account_keys(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    at(folder, fs::create_dir_all(folder))?;
    write(folder, "sa.key", &key.serialize_pem())?;
    write(folder, "sa.pub", &key.public_key_pem())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    at(&path, fs::write(&path, text))
}
