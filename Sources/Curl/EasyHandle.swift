internal import CCurl

/// Owner of one libcurl easy handle and of what it points at: header list and error text.
///
/// Not Sendable: it lives and dies on the transfer thread. Reset between transfers, it keeps nothing of the last one.
final class EasyHandle {
    let raw: OpaquePointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var headerList: UnsafeMutablePointer<curl_slist>?

    init() throws(HTTPError) {
        guard let raw = curl_easy_init() else { throw .engine(detail: "no easy handle") }
        self.raw = raw
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        curl_easy_cleanup(raw)
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    /// Forgets every option and the header list; live connections stay with the multi handle.
    func reset() {
        curl_easy_reset(raw)
        curl_slist_free_all(headerList)
        headerList = nil
        errorText[0] = 0
    }

    /// What libcurl said about the last failure, else the general text of `code`.
    func failureText(_ code: CURLcode) -> String {
        let general = String(cString: curl_easy_strerror(code))
        var text = errorText[0] == 0 ? general : String(cString: errorText)
        // libcurl quotes whole a proxy address that it cannot use, password and all
        if text.contains("@") || text.contains("://") { text = general }
        return String(
            text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }.prefix(256).map(Character.init))
    }

    /// Status of the final answer.
    func status() -> Int {
        var status = 0
        ccurl_get_long(raw, CURLINFO_RESPONSE_CODE, &status)
        return status
    }

    func setErrorText() throws(HTTPError) {
        errorText[0] = 0
        try check(ccurl_set_pointer(raw, CURLOPT_ERRORBUFFER, errorText), CURLOPT_ERRORBUFFER)
    }

    func set(_ option: CURLoption, _ value: Int) throws(HTTPError) {
        try check(ccurl_set_long(raw, option, value), option)
    }

    func set(_ option: CURLoption, _ value: Bool) throws(HTTPError) {
        try set(option, value ? 1 : 0)
    }

    /// libcurl copies the text; nil restores "not set", which for some options differs from the default.
    func set(_ option: CURLoption, _ value: String?) throws(HTTPError) {
        try check(ccurl_set_string(raw, option, value), option)
    }

    func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer) throws(HTTPError) {
        try check(ccurl_set_pointer(raw, option, value), option)
    }

    func set(_ option: CURLoption, _ value: ccurl_data_callback) throws(HTTPError) {
        try check(ccurl_set_data_callback(raw, option, value), option)
    }

    func setOpenSocket(_ value: curl_opensocket_callback) throws(HTTPError) {
        try check(ccurl_set_opensocket_callback(raw, value), CURLOPT_OPENSOCKETFUNCTION)
    }

    func setBeforeRequest(_ value: curl_prereq_callback) throws(HTTPError) {
        try check(ccurl_set_prereq_callback(raw, value), CURLOPT_PREREQFUNCTION)
    }

    /// libcurl copies the bytes. The size goes first: without it libcurl would look for a NUL.
    func setBody(_ bytes: [UInt8]) throws(HTTPError) {
        try check(
            ccurl_set_offset(raw, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)), CURLOPT_POSTFIELDSIZE_LARGE)
        let code = bytes.withUnsafeBytes { ccurl_set_pointer(raw, CURLOPT_COPYPOSTFIELDS, $0.baseAddress ?? emptyBody) }
        try check(code, CURLOPT_COPYPOSTFIELDS)
    }

    /// How long a body is that a callback will give.
    func setBodySize(_ count: Int) throws(HTTPError) {
        try check(ccurl_set_offset(raw, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(count)), CURLOPT_POSTFIELDSIZE_LARGE)
    }

    func setSeek(_ value: curl_seek_callback) throws(HTTPError) {
        try check(ccurl_set_seek_callback(raw, value), CURLOPT_SEEKFUNCTION)
    }

    func setHeaders(_ lines: [String]) throws(HTTPError) {
        for line in lines {
            guard let longer = curl_slist_append(headerList, line) else { throw .engine(detail: "no memory") }
            headerList = longer
        }
        try check(ccurl_set_list(raw, CURLOPT_HTTPHEADER, headerList), CURLOPT_HTTPHEADER)
    }

    /// An option that is not taken is a failure, not a default: several of them are the security of the client.
    private func check(_ code: CURLcode, _ option: CURLoption) throws(HTTPError) {
        guard code == CURLE_OK else {
            throw .engine(detail: "option \(option.rawValue): \(String(cString: curl_easy_strerror(code)))")
        }
    }
}

/// A null pointer would mean "read the body from a callback".
private nonisolated(unsafe) let emptyBody = UnsafeRawPointer(
    UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1))

@available(*, unavailable)
extension EasyHandle: Sendable {}
