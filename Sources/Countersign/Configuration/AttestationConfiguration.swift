/// What documents are taken, and how they are signed.
package struct AttestationConfiguration: Sendable, Equatable {
    /// The largest document. Default 64 MiB, which is also the most; a larger one is answered 413.
    package var maxDocumentBytes = 64 << 20
    /// The longest an upload may take. Default 5 min; then the connection is closed and nothing of it is kept.
    package var uploadTimeout: Duration = .seconds(300)
    /// Uploads at once. Default 8; one more is answered 503.
    package var maxUploads = 8
    /// How long a document waits for its artifact to be pushed and signed. Default 24 h; then it is gone.
    package var wait: Duration = .seconds(24 * 3600)
    /// From which size on a Rekor v1 log does not get a document whole, but its digest. Default 1 MiB, at most 2 MiB.
    package var inlineLimit = 1 << 20
    /// Bytes of documents held in memory at once. Default 64 MiB, and not less than the largest document.
    package var memory = 64 << 20

    package init() {}
}
