//! What can be found, and what each is called in settings and labels.

/// One kind of value.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Kind {
    Ip,
    Phone,
    Email,
    NlBsn,
    CaSin,
    UkNhs,
    PlPesel,
    UsSsn,
    InAadhaar,
    SePersonnummer,
    KrRrn,
    BeNational,
    DeSteuerId,
    BrCpf,
    SgNric,
    InPan,
    UkNino,
    EsDni,
    FrNir,
    CnResidentId,
    ItCodiceFiscale,
    Iban,
    Card,
    Secret,
    UrlPassword,
    VendorKey,
    GoogleApiKey,
    SlackToken,
    StripeKey,
    GithubToken,
    AwsKey,
    Jwt,
    PrivateKey,
}

use Kind::*;

/// Every kind with its name and its group. Where two kinds overlap, the later one names the find.
// tidy: table
pub(crate) const KINDS: [(Kind, &str, &str); 33] = [
    (Ip, "ip", "network"),
    (Phone, "phone", "contact"),
    (Email, "email", "contact"),
    (NlBsn, "nl_bsn", "national_id"),
    (CaSin, "ca_sin", "national_id"),
    (UkNhs, "uk_nhs", "national_id"),
    (PlPesel, "pl_pesel", "national_id"),
    (UsSsn, "us_ssn", "national_id"),
    (InAadhaar, "in_aadhaar", "national_id"),
    (SePersonnummer, "se_personnummer", "national_id"),
    (KrRrn, "kr_rrn", "national_id"),
    (BeNational, "be_national", "national_id"),
    (DeSteuerId, "de_steuer_id", "national_id"),
    (BrCpf, "br_cpf", "national_id"),
    (SgNric, "sg_nric", "national_id"),
    (InPan, "in_pan", "national_id"),
    (UkNino, "uk_nino", "national_id"),
    (EsDni, "es_dni", "national_id"),
    (FrNir, "fr_nir", "national_id"),
    (CnResidentId, "cn_resident_id", "national_id"),
    (ItCodiceFiscale, "it_codice_fiscale", "national_id"),
    (Iban, "iban", "financial"),
    (Card, "card", "financial"),
    (Secret, "secret", "secrets"),
    (UrlPassword, "url_password", "secrets"),
    (VendorKey, "vendor_key", "secrets"),
    (GoogleApiKey, "google_api_key", "secrets"),
    (SlackToken, "slack_token", "secrets"),
    (StripeKey, "stripe_key", "secrets"),
    (GithubToken, "github_token", "secrets"),
    (AwsKey, "aws_key", "secrets"),
    (Jwt, "jwt", "secrets"),
    (PrivateKey, "private_key", "secrets"),
];

/// What is looked for when the settings name nothing.
pub(crate) const GROUPS_DEFAULT: [&str; 4] = ["financial", "contact", "national_id", "secrets"];

impl Kind {
    /// Its name in settings and labels.
    pub(crate) fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// The kinds that a word of the settings stands for: one kind, or all of a group.
    pub(crate) fn named(word: &str) -> Kinds {
        let wanted = KINDS.iter().filter(|(_, name, group)| *name == word || *group == word);
        let mut kinds = Kinds::default();
        wanted.for_each(|(kind, _, _)| kinds.add(*kind));
        kinds
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Kinds(u64);

impl Kinds {
    pub(crate) fn add(&mut self, kind: Kind) {
        self.0 |= 1 << kind as u8;
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    pub(crate) fn any_of(self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.has(*kind))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}
