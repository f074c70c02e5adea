internal import CCurl
internal import Glibc

/// One hop under way: what it collects, and who waits for it.
///
/// Created by a task, owned by the transfer thread from submission until it is finished; `ticket` alone is shared and
/// guarded by the inbox lock of `TransferThread`.
final class Transfer: @unchecked Sendable {
    /// Where a transfer stands between the task that wants it and the thread that runs it.
    enum Ticket {
        case unsubmitted
        case submitted
        case cancelledEarly
    }

    let hop: Hop
    let deadline: ContinuousClock.Instant
    var ticket = Ticket.unsubmitted
    private var waiter: CheckedContinuation<Result<HopAnswer, HTTPError>, Never>?

    // owned by the transfer thread
    private var capture: HeaderCapture
    private var body: [UInt8] = []
    private var failure: HTTPError?
    private var deniedAddress: (address: String, kind: String)?
    private var wasAllowedOneAddress = false
    private(set) var requestMayBeSent = false
    private var peer: PeerAddress?
    private var sent = 0

    init(_ hop: Hop, deadline: ContinuousClock.Instant) {
        self.hop = hop
        self.deadline = deadline
        capture = HeaderCapture(limit: hop.route.maxHeaderBytes)
    }

    /// Called once, before submission.
    func wait(with continuation: CheckedContinuation<Result<HopAnswer, HTTPError>, Never>) {
        waiter = continuation
    }

    /// Wakes the waiting task; later calls do nothing.
    func finish(_ result: Result<HopAnswer, HTTPError>) {
        waiter?.resume(returning: result)
        waiter = nil
    }

    /// Turns libcurl's verdict into the answer or the error.
    func result(_ code: CURLcode, of easy: EasyHandle) -> Result<HopAnswer, HTTPError> {
        if let failure { return .failure(failure) }
        guard code == CURLE_OK else { return .failure(error(code, easy.failureText(code))) }
        return .success(
            HopAnswer(
                status: easy.status(), headers: capture.headers, trailers: capture.trailers, body: body, peer: peer))
    }

    private func error(_ code: CURLcode, _ text: String) -> HTTPError {
        let url = hop.address.redacted
        if !requestMayBeSent, !wasAllowedOneAddress, let deniedAddress {
            return .addressDenied(url: url, address: deniedAddress.address, kind: deniedAddress.kind)
        }
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST:
            return .unresolved(url: url, detail: text)
        case CURLE_COULDNT_RESOLVE_PROXY:
            return .unresolved(url: url, detail: "the proxy's address cannot be resolved or read")
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS:
            return .untrusted(url: url, detail: text)
        case CURLE_OPERATION_TIMEDOUT where !requestMayBeSent:
            return .timedOut(url: url, phase: .connecting, limit: hop.route.connectTimeout)
        case CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT, CURLE_NOT_BUILT_IN:
            return .engine(detail: text)
        default:
            return requestMayBeSent ? .interrupted(url: url, detail: text) : .unreachable(url: url, detail: text)
        }
    }

    // MARK: Calls from libcurl, on the transfer thread

    /// False stops the transfer.
    func receive(header line: UnsafeRawBufferPointer) -> Bool {
        do throws(HeaderCapture.Fault) {
            try capture.take(line)
            return true
        } catch {
            failure =
                switch error {
                case .tooLarge:
                    .headersTooLarge(url: hop.address.redacted, limit: hop.route.maxHeaderBytes)
                case .malformed:
                    .interrupted(url: hop.address.redacted, detail: "a malformed header line in the answer")
                }
            return false
        }
    }

    /// False stops the transfer.
    func receive(body part: UnsafeRawBufferPointer) -> Bool {
        guard part.count <= hop.route.maxResponseBytes - body.count else {
            failure = .bodyTooLarge(url: hop.address.redacted, limit: hop.route.maxResponseBytes)
            return false
        }
        body.append(contentsOf: part)
        return true
    }

    /// The next bytes of the body; 0 at its end, nil stops the transfer.
    func send(into room: UnsafeMutableRawBufferPointer) -> Int? {
        guard let upload = hop.upload, let count = upload.read(into: room, at: sent) else {
            failure = .interrupted(
                url: hop.address.redacted, detail: "the file that is its body cannot be read any more")
            return nil
        }
        sent += count
        return count
    }

    func rewind(to offset: Int) -> Bool {
        guard let upload = hop.upload, (0...upload.size).contains(offset) else { return false }
        sent = offset
        return true
    }

    /// Whether this address, of all that the name resolved to, may be dialled.
    func mayDial(_ peer: PeerAddress?, port: Int) -> Bool {
        // libcurl was told the socket's path and dials nothing else
        if hop.route.unixSocket != nil { return true }
        guard let peer else {
            deniedAddress = ("an unknown address", "unsupported")
            return false
        }
        if let kind = hop.denial(of: peer, port: port) {
            deniedAddress = (peer.description, kind)
            return false
        }
        wasAllowedOneAddress = true
        return true
    }

    /// Asked before the request is written on a connection, new or reused. The pool is shared by all routes, so a
    /// connection made for a private one is checked again for this one.
    func maySend(to peer: PeerAddress?, port: Int) -> Bool {
        if requestMayBeSent, !hop.mayBeResent {
            // libcurl resends on a fresh connection when a reused one died without an answer byte (RFC 9112 §9.3.1
            // lets it, for idempotent methods); a POST may have been acted on, so its sender decides
            failure = .interrupted(url: hop.address.redacted, detail: "the connection closed before an answer")
            return false
        }
        if hop.route.unixSocket != nil {
            // the pool keeps a connection to a socket apart from those to hosts
            requestMayBeSent = true
            return true
        }
        let kind = peer.map { hop.denial(of: $0, port: port) } ?? "unsupported"
        guard let peer, kind == nil else {
            failure = .addressDenied(
                url: hop.address.redacted, address: peer?.description ?? "an unknown address",
                kind: kind ?? "unsupported")
            return false
        }
        self.peer = hop.isProxy(peer, port: port) ? nil : peer
        requestMayBeSent = true
        return true
    }
}

/// What one hop brought.
struct HopAnswer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let trailers: HTTPHeaders
    let body: [UInt8]
    /// Whom the request was sent to, a proxy perhaps; nil through a Unix socket.
    let peer: PeerAddress?
}
