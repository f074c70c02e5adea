/// The parts of the lab that listen on a port of their own. The CT log lives under Fulcio's, at `/ct`.
package enum LabService: String, Sendable, CaseIterable, Codable {
    /// The OpenID Connect issuers.
    case oidc
    /// The certificate authority, and its certificate transparency log.
    case fulcio
    /// The transparency log, Rekor v1.
    case rekor
    /// The tiled transparency log, Rekor v2, and the static files of its shards.
    case rekor2
    /// The RFC 3161 timestamp authority.
    case tsa
    /// The TUF repository that distributes the lab's trusted root and signing config.
    case tuf
}

/// Which logs the signing config of a lab names. The trusted root lists all of them in any case.
package enum LogChoice: String, Sendable, CaseIterable {
    /// Rekor v1 alone.
    case v1
    /// Rekor v2 alone.
    case v2
    /// Both, of one operator, one of them to be used: clients take the newest version they speak.
    case any
    /// Both, of two operators, each to be used for every signature.
    case both
}

/// What a lab is started with. Every field has a default except the folder.
package struct LabConfiguration: Sendable {
    /// One port for each service; 0 lets the kernel choose.
    ///
    /// A lab that must be found again after a restart needs fixed ports: they stand in the issuer URL of every token
    /// and certificate, and in `trusted_root.json`.
    package struct Ports: Sendable, Equatable {
        /// Port of the issuers.
        package var oidc: Int
        /// Port of Fulcio and the CT log.
        package var fulcio: Int
        /// Port of Rekor v1.
        package var rekor: Int
        /// Port of Rekor v2.
        package var rekor2: Int
        /// Port of the timestamp authority.
        package var tsa: Int
        /// Port of the TUF repository.
        package var tuf: Int

        /// Ports as given; whatever is left out is chosen by the kernel.
        package init(oidc: Int = 0, fulcio: Int = 0, rekor: Int = 0, rekor2: Int = 0, tsa: Int = 0, tuf: Int = 0) {
            self.oidc = oidc
            self.fulcio = fulcio
            self.rekor = rekor
            self.rekor2 = rekor2
            self.tsa = tsa
            self.tuf = tuf
        }
    }

    /// Folder of keys, logs, trust material and the token file. Made if missing; what is in it is continued.
    package var directory: String
    /// Address to listen on. Anything but loopback lends the lab's identities to the network.
    package var host: String
    /// Listening ports.
    package var ports: Ports
    /// Host that the written URLs name; `nil` means `host`.
    package var externalHost: String?
    /// How long each service waits before it answers its signing call (`signingCert`, `log/entries`, `timestamp`).
    /// Reads are not slowed: of the real servers only these calls are slow. Requests wait side by side.
    package var latency: [LabService: Duration]
    /// `sub` of the tokens that are written to the token file.
    package var tokenSubject: String
    /// `aud` of those tokens, and the audience that Fulcio demands.
    package var audience: String
    /// Lifetime of those tokens.
    package var tokenLifetime: Duration
    /// How often the token file is written anew.
    package var tokenRotation: Duration
    /// First word of the Rekor v1 checkpoint's origin and the name of its signer. Rekor v2 is named after its URL's host.
    package var logHost: String
    /// Which logs the signing config names.
    package var logs = LogChoice.v1
    /// How often Rekor v2 publishes a checkpoint, if there is something new; an append waits for it. Zero: at once.
    package var checkpointInterval = Duration.seconds(1)
    /// How many witnesses cosign the checkpoints of Rekor v2.
    package var witnesses = 0
    /// Curve of the timestamp authority's key, if it is made now.
    package var timestampCurve = TimestampCurve.p384

    /// Curves of timestamp authorities that are in use.
    package enum TimestampCurve: String, Sendable, CaseIterable { case p256, p384 }

    /// A lab in `directory`, on loopback, on free ports, answering at once.
    package init(
        directory: String, host: String = "127.0.0.1", ports: Ports = Ports(), externalHost: String? = nil,
        latency: [LabService: Duration] = [:], tokenSubject: String = "system:serviceaccount:ci:signer",
        audience: String = "sigstore", tokenLifetime: Duration = .seconds(600), tokenRotation: Duration = .seconds(60),
        logHost: String = "rekor.countersign.lab"
    ) {
        self.directory = directory
        self.host = host
        self.ports = ports
        self.externalHost = externalHost
        self.latency = latency
        self.tokenSubject = tokenSubject
        self.audience = audience
        self.tokenLifetime = tokenLifetime
        self.tokenRotation = tokenRotation
        self.logHost = logHost
    }

    /// Reads `fulcio=5ms,rekor=160ms,tsa=1ms`. Units are `ms` and `s`; an empty text is no latency.
    ///
    /// - Throws: `LabError.configuration` naming the part that cannot be read.
    package static func latency(parsing text: String) throws(LabError) -> [LabService: Duration] {
        var latency: [LabService: Duration] = [:]
        for part in text.split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2, let service = LabService(rawValue: pair[0]), let delay = duration(pair[1]) else {
                throw LabError.configuration("latency \"\(part)\": expected SERVICE=TIME, such as rekor=160ms")
            }
            latency[service] = delay
        }
        return latency
    }

    private static func duration(_ text: String) -> Duration? {
        if text.hasSuffix("ms"), let count = Int64(text.dropLast(2)), count >= 0 { return .milliseconds(count) }
        if text.hasSuffix("s"), let count = Double(text.dropLast()), count >= 0, count < 86_400 {
            return .seconds(count)
        }
        return nil
    }
}
