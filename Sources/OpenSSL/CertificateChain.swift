internal import COpenSSL
public import FoundationEssentials

/// Path building and validation (RFC 5280 §6) with OpenSSL, at a given instant and for a given purpose.
public enum CertificateChain {
    /// What the leaf's key is to be trusted for.
    public enum Purpose: Sendable, Equatable {
        /// Leaf: not a CA, key usage digitalSignature, extended key usage code signing (Sigstore client spec).
        case codeSigning
        /// Leaf: extended key usage timeStamping alone and critical (RFC 3161 §2.3).
        case timeStamping
        /// No constraint on the leaf.
        case any
    }

    /// The longest path accepted, root included.
    private static let longestPath: Int32 = 8

    /// Finds a path from `leaf` to one of `roots` and validates it. Returns the path, leaf first, root last.
    ///
    /// Every certificate of the path must be valid at `time`, both ends of the interval included. A root must be
    /// self-signed: an intermediate among `roots` is not an anchor. Strict RFC 5280 form is demanded
    /// (`X509_V_FLAG_X509_STRICT`: key identifiers, key usage of CAs …), signatures and keys of at least 112 bits of
    /// strength. Revocation is not looked at; in Sigstore short lives and the log take its place.
    ///
    /// Throws `.outsideValidity` for the leaf, `.chain` with the depth and OpenSSL's reason for everything else.
    public static func verify(
        _ leaf: Certificate, intermediates: [Certificate], roots: [Certificate], at time: Date, purpose: Purpose
    ) throws(CryptoError) -> [Certificate] {
        try leaf.checkValidity(at: time)
        try leaf.checkLeaf(for: purpose)
        // OpenSSL counts the last second as expired and would prefer no candidate by time, so time is settled here:
        // what is not valid is no candidate
        let untrusted = intermediates.filter { $0.isValid(at: time) }
        let trusted = roots.filter { $0.isValid(at: time) }
        let excluded = (intermediates + roots).filter { !$0.isValid(at: time) }
        let path = try build(leaf, untrusted, trusted, purpose, excluded: excluded)
        try checkNesting(path, purpose)
        return path
    }

    private static func build(
        _ leaf: Certificate, _ untrusted: [Certificate], _ trusted: [Certificate], _ purpose: Purpose,
        excluded: [Certificate]
    ) throws(CryptoError) -> [Certificate] {
        let store = try Handle(X509_STORE_new(), "allocating a certificate store", release: X509_STORE_free)
        let context = try Handle(X509_STORE_CTX_new(), "allocating a chain check", release: X509_STORE_CTX_free)
        let anchors = try stack(of: trusted)
        let others = try stack(of: untrusted)
        guard X509_STORE_CTX_init(context.raw, store.raw, leaf.raw, others.raw) == 1,
            let parameters = X509_STORE_CTX_get0_param(context.raw)
        else { throw .failure(of: "preparing a chain check") }
        X509_STORE_CTX_set0_trusted_stack(context.raw, anchors.raw)
        // an anchor is trusted as it stands; its own signature is looked at because a damaged one should not go unnoticed
        let flags =
            UInt(X509_V_FLAG_X509_STRICT) | UInt(X509_V_FLAG_NO_CHECK_TIME) | UInt(X509_V_FLAG_CHECK_SS_SIGNATURE)
        guard X509_VERIFY_PARAM_set_flags(parameters, flags) == 1,
            purpose != .timeStamping || X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_TIMESTAMP_SIGN) == 1
        else { throw .failure(of: "preparing a chain check") }
        X509_VERIFY_PARAM_set_depth(parameters, longestPath - 2)  // counts the intermediates only
        X509_VERIFY_PARAM_set_auth_level(parameters, 2)

        guard X509_verify_cert(context.raw) == 1 else {
            let failed = X509_STORE_CTX_get_current_cert(context.raw)
            let candidates = [leaf] + untrusted + trusted
            var reason = String(cString: X509_verify_cert_error_string(Int(X509_STORE_CTX_get_error(context.raw))))
            if !excluded.isEmpty {
                let names = excluded.map { "(\($0.subject))" }.joined(separator: ", ")
                reason += "; not considered, because not valid at that time: \(names)"
            }
            ERR_clear_error()
            throw .chain(
                depth: Int(X509_STORE_CTX_get_error_depth(context.raw)),
                certificate: (candidates.first { $0.raw == failed } ?? leaf).subject, reason: reason)
        }
        // The path holds the very objects that were offered
        let chain = X509_STORE_CTX_get0_chain(context.raw)
        let offered = [leaf] + trusted + untrusted
        return (0..<cossl_sk_X509_num(chain)).compactMap { index in
            let raw = cossl_sk_X509_value(chain, index)
            return offered.first { $0.raw == raw }
        }
    }

    /// A stack that borrows the certificates: they outlive the check in the caller's arrays.
    private static func stack(of certificates: [Certificate]) throws(CryptoError) -> Handle {
        let stack = try Handle(cossl_sk_X509_new(), "allocating a certificate stack", release: cossl_sk_X509_free)
        for certificate in certificates where cossl_sk_X509_push(stack.raw, certificate.raw) == 0 {
            throw .failure(of: "filling a certificate stack")
        }
        return stack
    }

    /// An intermediate with an extended key usage limits what is below it to that (as Go and browsers read RFC 5280
    /// §4.2.1.12; OpenSSL does not apply it to code signing).
    private static func checkNesting(_ path: [Certificate], _ purpose: Purpose) throws(CryptoError) {
        guard let oid = purpose.extendedKeyUsage else { return }
        for (depth, authority) in path.enumerated().dropFirst().dropLast() {
            let usages = authority.extendedKeyUsages
            guard usages.isEmpty || usages.contains(oid) || usages.contains(ObjectIdentifier.anyExtendedKeyUsage) else {
                throw .chain(
                    depth: depth, certificate: authority.subject,
                    reason: "its extended key usage \(usages) does not allow \(purpose) below it")
            }
        }
    }
}

extension CertificateChain.Purpose {
    fileprivate var extendedKeyUsage: String? {
        switch self {
        case .codeSigning: ObjectIdentifier.codeSigning
        case .timeStamping: ObjectIdentifier.timeStamping
        case .any: nil
        }
    }
}

extension Certificate {
    /// Whether `time` lies in the validity interval, both ends included (RFC 5280 §4.1.2.5).
    public func isValid(at time: Date) -> Bool { notBefore <= time && time <= notAfter }

    fileprivate func checkValidity(at time: Date) throws(CryptoError) {
        guard isValid(at: time) else {
            throw .outsideValidity(certificate: subjectOrSerial, notBefore: notBefore, notAfter: notAfter, at: time)
        }
    }

    fileprivate func checkLeaf(for purpose: CertificateChain.Purpose) throws(CryptoError) {
        func refused(_ reason: String) -> CryptoError {
            .chain(depth: 0, certificate: subjectOrSerial, reason: reason)
        }
        guard let oid = purpose.extendedKeyUsage else { return }
        guard extendedKeyUsages.contains(oid) else {
            throw refused("its extended key usage \(extendedKeyUsages) lacks \(purpose)")
        }
        guard !isCertificateAuthority else { throw refused("it is a CA certificate where a leaf belongs") }
        switch purpose {
        case .codeSigning:
            guard keyUsage?.contains(.digitalSignature) == true else {
                throw refused("key usage lacks digitalSignature")
            }
        case .timeStamping:
            guard extendedKeyUsages == [oid], isCritical(extension: ObjectIdentifier.extendedKeyUsage) else {
                throw refused("extended key usage must be timeStamping alone and critical")
            }
        case .any: break
        }
    }

    /// Fulcio's leaves have no subject; their serial number tells them apart.
    var subjectOrSerial: String {
        subject.isEmpty ? "serial " + Hex.encode(serialNumber) : subject
    }
}
