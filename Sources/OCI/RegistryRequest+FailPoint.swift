internal import Curl
internal import FailPoints

extension RequestKind {
    /// The point that a request is: only writes are.
    var failPoint: FailPoint? {
        switch self {
        case .uploadPut: .pushBlob
        case .manifestPut: .pushManifest
        case .fallbackPut: .pushIndex
        case .legacyPut: .pushTag
        case .ping, .token, .manifestGet, .manifestDelete, .fallbackGet, .legacyGet, .blobGet, .uploadStart,
            .uploadCancel,
            .referrersGet, .tagsGet, .tagHead, .catalogGet:
            nil
        }
    }
}

extension RegistryRequest {
    /// A fault as the connection shows it, whether the registry acted or not.
    func injected(_ fault: InjectedFault) -> OCIError {
        .transport(operation: operation, .interrupted(url: path, detail: ""))
    }
}
