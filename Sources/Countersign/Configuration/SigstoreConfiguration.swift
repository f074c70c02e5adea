package import Sigstore

/// Whose certificates, timestamps and log entries we use, and as whom we sign.
package struct SigstoreConfiguration: Sendable {
    /// What our own output must verify against before it is published. A lab root is refused in production.
    package var trust: TrustConfiguration
    /// How the services of a signing configuration are reached; its `url` is not used.
    package var upstreams = UpstreamConfiguration(url: "")
    /// Issues the signing certificates; nil: the signing configuration's.
    package var fulcio: UpstreamConfiguration?
    /// RFC 3161 authority; the URL is the one that is posted to. nil: the signing configuration's.
    package var timestampAuthority: UpstreamConfiguration?
    /// The transparency log (v1), short for an entry `rekor` of ``logs``; nil: those, or the signing configuration's.
    package var rekor: UpstreamConfiguration?
    /// The transparency logs, in the order of preference; empty: ``rekor``, or the signing configuration's.
    package var logs: [InstanceServices.Log] = []
    /// Who must have cosigned the checkpoints of logs of tiles, whoever names these; the first that fits a log counts.
    package var witnesses: [LogWitnesses] = []
    /// How often each log is asked for its newest checkpoint, which must extend the last one. Default 1 min.
    package var logWatchInterval: Duration = .seconds(60)
    /// As whom we sign, where a rule names nobody else: the identity `default`.
    package var identity: IdentityConfiguration
    /// As whom else: rules choose by name.
    package var identities: [NamedIdentity] = []
    /// How long one certificate serves.
    package var window = WindowConfiguration()
    /// Whether the operator knows that entries of a public log show the names of repositories to everybody, for ever.
    /// Default `unacknowledged`: a log of the public good instance is then refused.
    package var publicLog: PublicLog = .unacknowledged

    /// Whether certificates must be promised to a certificate transparency log. Default `required`, as stock clients demand
    /// it. `none` is for a Fulcio without such a log: a promise that is there is verified all the same, and whoever verifies
    /// has to be told (`--insecure-ignore-sct`).
    package var certificateTransparency: CertificateTransparency = .required

    package init(
        trust: TrustConfiguration, fulcio: UpstreamConfiguration?, timestampAuthority: UpstreamConfiguration?,
        rekor: UpstreamConfiguration?, identity: IdentityConfiguration
    ) {
        self.trust = trust
        self.fulcio = fulcio
        self.timestampAuthority = timestampAuthority
        self.rekor = rekor
        self.identity = identity
    }

    /// An identity that rules can name.
    package struct NamedIdentity: Sendable, Equatable {
        package var name: String
        package var identity: IdentityConfiguration

        package init(name: String, identity: IdentityConfiguration) {
            self.name = name
            self.identity = identity
        }
    }

    /// Every identity, ``identity`` first.
    package var allIdentities: [NamedIdentity] {
        [NamedIdentity(name: PolicyConfiguration.Rule.defaultIdentity, identity: identity)] + identities
    }

    /// The logs that the configuration itself names, in the order of preference.
    package var namedLogs: [InstanceServices.Log] {
        (rekor.map { [InstanceServices.Log(name: "rekor", api: .v1, upstream: $0)] } ?? []) + logs.map(witnessed)
    }

    /// The witnesses of all logs of a host.
    package struct LogWitnesses: Sendable, Equatable {
        /// Patterns over the hosts of the logs' URLs: shards have names of one form.
        package var logs: [Glob]
        package var keys: [Witness]
        /// How many of them must have cosigned a checkpoint. Default all.
        package var quorum: Int

        package init(logs: [Glob], keys: [Witness], quorum: Int) {
            self.logs = logs
            self.keys = keys
            self.quorum = quorum
        }
    }

    package enum CertificateTransparency: String, Sendable, CaseIterable { case required, none }

    package enum PublicLog: String, Sendable, CaseIterable { case unacknowledged, acknowledged }
}

/// How long one signing certificate and its key serve (the key stays in memory and dies with the window).
package struct WindowConfiguration: Sendable, Equatable {
    /// The longest use after issue. Default 5 min. Longer = fewer certificates, more signatures under one key.
    package var maxAge: Duration = .seconds(300)
    /// How long before `notAfter` a certificate is given up. Default 2 min: time for the timestamp and the log entry.
    package var margin: Duration = .seconds(120)
    /// Signatures under one certificate. Default 1,000.
    package var maxSignatures = 1000

    package init() {}
}
