extension Verifier {
    /// What a signature must bring, beside being right. The standard is what the Sigstore client specification asks for:
    /// a log entry, a trusted time, an embedded certificate timestamp. What is waived is said in the result; what is there
    /// is verified all the same.
    public struct Demands: Sendable {
        /// A log entry, a trusted time, a certificate timestamp.
        public static let standard = Demands()

        /// A signature by a key needs neither log entry nor time (cosign's `--insecure-ignore-tlog`). Certificates live
        /// for minutes: theirs always need both, whatever this says.
        public var acceptsUnloggedKeySignatures = false
        /// A certificate needs no certificate timestamp (cosign's `--insecure-ignore-sct`): for instances without a
        /// certificate transparency log.
        public var acceptsUntransparentCertificates = false
        /// A timestamp authority must have seen the signature; a log's time does not do.
        public var needsTimestamp = false
        /// In how many different logs it must be.
        public var logs = 1
        /// The standard, to be changed.
        public init() {}
    }
}
