public import OpenSSL

/// A log that signatures are entered in.
///
/// The request is made once, stored, and then submitted byte for byte, as often as it takes: a log that has it already
/// answers with the entry it has, so a lost answer never leads to a second entry.
public protocol TransparencyLog: Sendable {
    /// A stable name of the log, for records: its URL.
    var id: String { get }

    /// The exact bytes to submit. Pure: nothing is sent.
    func request(for envelope: Envelope, certificate: Certificate) throws(SigstoreError) -> [UInt8]

    /// Enters the request, or finds the entry that it already made; checks that the entry is the request's.
    /// - Throws: ``SigstoreError``; with `answerMayBeLost` the entry may exist: submit the same bytes again.
    func submit(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry

    /// The entry that the request made, or nil if the log has none.
    func lookup(_ request: [UInt8]) async throws(SigstoreError) -> TlogEntry?
}
