internal import CCurl
internal import Glibc

extension EasyHandle {
    /// Prepares a fresh or reset handle for one transfer. `transfer` must outlive it on the multi handle.
    func prepare(_ transfer: Transfer, userAgent: String) throws(HTTPError) {
        let hop = transfer.hop
        try setErrorText()
        // the scheme was checked; this holds even if that check were wrong
        try set(CURLOPT_PROTOCOLS_STR, hop.route.allowPlainHTTP ? "http,https" : "https")
        try set(CURLOPT_URL, hop.address.text)
        try set(CURLOPT_DISALLOW_USERNAME_IN_URL, true)
        try set(CURLOPT_FOLLOWLOCATION, false)
        try set(CURLOPT_USERAGENT, userAgent)
        try set(CURLOPT_NOSIGNAL, true)
        try setVersion(hop.address, assumesHTTP2: hop.route.assumesHTTP2)
        try setConnection(hop.route)
        try setRequest(transfer)
        try setCallbacks(transfer)
    }

    private func setVersion(_ address: HTTPAddress, assumesHTTP2: Bool) throws(HTTPError) {
        let isTLS = address.scheme == "https"
        let clear = assumesHTTP2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1
        try set(CURLOPT_HTTP_VERSION, Int(isTLS ? CURL_HTTP_VERSION_2TLS : clear))
        // Wait for a handshake under way, which may bring HTTP/2, rather than open one more connection. Not over plain
        // http: there libcurl would wait for the first *answer* to learn the version.
        try set(CURLOPT_PIPEWAIT, isTLS)
    }

    private func setConnection(_ route: HTTPRoute) throws(HTTPError) {
        try set(CURLOPT_CONNECTTIMEOUT_MS, max(1, route.connectTimeout.milliseconds))
        // a transfer that ends while its name is being resolved must not hold up the thread until getaddrinfo returns
        try set(CURLOPT_QUICK_EXIT, true)
        try set(CURLOPT_TCP_KEEPALIVE, true)
        // below the 60 s after which common load balancers drop an idle connection without a word
        try set(CURLOPT_MAXAGE_CONN, 55)
        try set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        try set(CURLOPT_SSL_VERIFYPEER, true)
        try set(CURLOPT_SSL_VERIFYHOST, 2)
        if let caFile = route.caFile {
            try set(CURLOPT_CAINFO, caFile)
            // Debian's libcurl has a default directory too: left set, the system's roots would still be trusted
            try set(CURLOPT_CAPATH, nil as String?)
        }
        if let socket = route.unixSocket {
            try set(CURLOPT_UNIX_SOCKET_PATH, socket)
            try set(CURLOPT_PROXY, "")
        }
        switch route.proxy {
        case _ where route.unixSocket != nil: break
        case .environment: break
        case .none: try set(CURLOPT_PROXY, "")
        case .url(let url):
            try set(CURLOPT_PROXY, url)
            try set(CURLOPT_NOPROXY, "")
        }
        // our headers are for the target; a CONNECT proxy sees none of them, nor do we take its headers for an answer
        try set(CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
        try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
    }

    private func setRequest(_ transfer: Transfer) throws(HTTPError) {
        let hop = transfer.hop
        switch hop.method {
        case .get: try set(CURLOPT_HTTPGET, true)
        case .head: try set(CURLOPT_NOBODY, true)
        case .delete where hop.body == nil && hop.upload == nil: try set(CURLOPT_CUSTOMREQUEST, hop.method.rawValue)
        case .post, .put, .patch, .delete:
            try set(CURLOPT_POST, true)
            if let upload = hop.upload { try setUpload(upload, of: transfer) } else { try setBody(hop.body ?? []) }
            try set(CURLOPT_CUSTOMREQUEST, hop.method.rawValue)
        }
        // "Name:" removes what libcurl would add of itself, "Name;" sends an empty value
        var lines = ["Expect:"]
        if hop.headers["Content-Type"] == nil { lines.append("Content-Type:") }
        for (name, value) in hop.headers where name.lowercased() != "content-length" {
            lines.append(value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        try setHeaders(lines)
    }

    /// A body that libcurl asks for while it sends: it never holds more of it than its buffer.
    private func setUpload(_ upload: HTTPUpload, of transfer: Transfer) throws(HTTPError) {
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        try setBodySize(upload.size)
        try set(CURLOPT_READDATA, context)
        try set(CURLOPT_READFUNCTION) { bytes, size, count, context in
            let room = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
            return transferring(context)?.send(into: room) ?? Int(CURL_READFUNC_ABORT)
        }
        try set(CURLOPT_SEEKDATA, context)
        // a connection that was closed before an answer: the body is sent from its beginning
        try setSeek { context, offset, origin in
            guard origin == SEEK_SET, transferring(context)?.rewind(to: Int(offset)) == true else {
                return CURL_SEEKFUNC_CANTSEEK
            }
            return CURL_SEEKFUNC_OK
        }
    }

    /// The callbacks capture nothing: each finds its transfer in the pointer that libcurl hands back.
    private func setCallbacks(_ transfer: Transfer) throws(HTTPError) {
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        try set(CURLOPT_HEADERDATA, context)
        try set(CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return transferring(context)?.receive(header: line) == true ? line.count : 0
        }
        try set(CURLOPT_WRITEDATA, context)
        try set(CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            let part = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return transferring(context)?.receive(body: part) == true ? part.count : 0
        }
        try set(CURLOPT_OPENSOCKETDATA, context)
        try setOpenSocket { context, _, target in
            guard let target, let address = ccurl_socket_address(target) else { return CURL_SOCKET_BAD }
            let family = target.pointee.family
            let peer = PeerAddress(family: family, at: address)
            guard transferring(context)?.mayDial(peer, port: PeerAddress.port(family: family, at: address)) == true
            else {
                return CURL_SOCKET_BAD
            }
            return socket(family, target.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), target.pointee.protocol)
        }
        try set(CURLOPT_PREREQDATA, context)
        try setBeforeRequest { context, peer, _, port, _ in
            let address = peer.flatMap { PeerAddress(String(cString: $0)) }
            return transferring(context)?.maySend(to: address, port: Int(port)) == true
                ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
        }
    }
}

private func transferring(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
}

extension Duration {
    /// Whole milliseconds, rounded up, within what a C `int` holds.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        guard seconds < 2_000_000 else { return 2_000_000_000 }
        return Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
