import Logging
import OCI

/// Tags that the registry lists and does not serve: a lost blob, a scanner that blocks an image. One must not keep the sweep from
/// all the others for ever.
extension Sweep {
    /// What the sweep says at its end of tags that it passed over: one that the registry cannot serve must not keep it from all
    /// the others.
    /// - Throws: the registry's answer, while it may be the registry and not the tag.
    func passedOver(_ found: [Found], of tags: Int, _ sweep: SweepRecords.Sweep) throws -> Failure? {
        let passed = found.filter { $0.fault != nil }
        guard let first = passed.first, let fault = first.fault else { return nil }
        guard passed.count < tags || sweep.failures >= Self.pagePatience else { throw fault }
        let others = passed.count > 1 ? ", and \(passed.count - 1) more on its page" : ""
        let failure = Failure(
            code: Self.tagUnreadableCode, stage: Self.stage,
            observed: "tag \(first.tag)\(others): \(fault)",
            fix:
                "see why the registry does not serve it; push the image again, or delete the tag. The other tags were looked at"
        )
        logger.warning(
            "tags are passed over that the registry does not serve",
            metadata: [
                "repository": "\(sweep.repository)", "error.code": "\(failure.code)", "error": "\(failure.observed)",
            ])
        return failure
    }
}

extension OCIError {
    /// An answer about one tag, as against no answer, one that asks to wait, and one about who asks.
    var isAboutTheTag: Bool {
        switch self {
        case .notFound, .refused, .forbidden, .unexpectedAnswer: true
        case .unavailable: status != 408 && retryAfter == nil
        default: false
        }
    }
}
