#if DEBUG || FUZZING
    @testable import Curl
    @testable import OCI

    extension FuzzTarget {
        /// What servers say beside their bodies: where to go next, and the head of an answer.
        static let http = [
            // an address is judged by our reader and dialled by libcurl's: they must see the same host
            FuzzTarget(name: "remote-url") { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                guard let url = RemoteURL(text) else { return }
                promise(RemoteURL(url.description) == url, "an address reads back as it was written")
                promise(url.resolving("/v2/")?.origin == url.origin, "a path stays on its origin")
                guard let dialled = try? HTTPAddress(text) else { return }
                promise(dialled.scheme == url.scheme.rawValue, "one scheme")
                promise(dialled.port == String(url.origin.port), "one port")
                // numbers are names of addresses in many spellings (`0x7f.1`); what is dialled is judged as an address
                let isName = url.authority.host.utf8.contains { (0x67...0x7A).contains($0) && $0 != 0x78 }
                if isName { promise(dialled.host == url.authority.host, "one host") }
            },
            FuzzTarget(name: "answer-head") { bytes in
                var capture = HeaderCapture(limit: 8 << 10)
                for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
                    guard (try? capture.take(Array(line) + [0x0A])) != nil else { return }
                }
                for (name, value) in capture.headers {
                    promise(!name.isEmpty && !name.contains(" "), "a name without space")
                    promise(!value.utf8.contains { $0 == 0x0A || $0 == 0x0D }, "a field is one line")
                }
                let response = HTTPResponse(
                    status: 429, headers: capture.headers, trailers: capture.trailers, body: [], url: "",
                    elapsed: .zero)
                let wait = response.retryAfter ?? .zero
                promise(wait >= .zero && wait <= .seconds(3600), "no server stops us for more than an hour")
            },
        ]
    }
#endif
