package import FoundationEssentials
import Sigstore

extension JSONEncoder {
    /// Sorted keys, so that equal answers are equal bytes; times as ``Foundation/Date/apiText``.
    static var service: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.apiText)
        }
        return encoder
    }
}

extension JSONDecoder {
    /// Reads what ``Foundation/JSONEncoder/service`` wrote, also in a daemon of another version: what an older one does not
    /// say is optional in the answers, what a newer one adds is passed over, and what is one of a few words stays text. A word
    /// that this version does not know is told as it stands; it is no end and no success.
    package static var service: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let date = Date(rfc3339: text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no time")
            }
            return date
        }
        return decoder
    }
}

extension Date {
    /// As the API writes a time: `2026-01-02T15:04:05.678Z`, the millisecond that it is in. Read again, it is written the same.
    package var apiText: String {
        // a Double lies beside the microsecond that is meant: cut where it lies, 678 ms would be 677
        (self + 0.000_000_5).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
