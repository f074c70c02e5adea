import StrictJSON

/// Reading manifests, indexes and descriptors out of hostile JSON: every member that is used has its type and
/// bound checked, and the fault names its path.
extension JSONValue {
    func member(_ name: String, in path: String) throws(OCIError) -> JSONValue {
        guard let value = self[name] else { throw .manifestMalformed("\(path): no \(name)") }
        return value
    }

    func optionalString(_ name: String, in path: String) throws(OCIError) -> String? {
        switch self[name] {
        case .none, .null: return nil
        case .string(let text): return text
        default: throw .manifestMalformed("\(path).\(name): not a string")
        }
    }

    /// A media type: visible ASCII, bounded. Parameters stay (old Sigstore bundles carry `;version=0.3`).
    func mediaType(_ name: String, in path: String) throws(OCIError) -> String? {
        // Go's omitempty writers leave it out, older ones write "": both mean absent.
        guard let text = try optionalString(name, in: path), !text.isEmpty else { return nil }
        guard text.utf8.count <= 255, text.utf8.allSatisfy({ $0.isVisible || $0 == 0x20 }) else {
            throw .manifestMalformed("\(path).\(name): not a media type")
        }
        return text
    }

    func annotations(in path: String) throws(OCIError) -> [String: String]? {
        switch self["annotations"] {
        case .none, .null: return nil
        case .object(let object):
            var annotations: [String: String] = [:]
            for member in object.members {
                guard case .string(let text) = member.value else {
                    throw .manifestMalformed("\(path).annotations: \"\(member.name)\" is not a string")
                }
                annotations[member.name] = text
            }
            return annotations
        default: throw .manifestMalformed("\(path).annotations: not an object")
        }
    }

    func descriptor(_ name: String, in path: String) throws(OCIError) -> Descriptor? {
        switch self[name] {
        case .none, .null: nil
        case .some(let value): try Descriptor(json: value, in: "\(path).\(name)")
        }
    }

    /// - Parameter passesOverForeign: whether `nil` stands for an entry whose digest is of an algorithm that is not ours.
    func descriptors(
        _ name: String, in path: String, limit: Int, passesOverForeign: Bool = false
    ) throws(OCIError) -> [Descriptor?] {
        let values: [JSONValue]
        switch self[name] {
        case .array(let entries): values = entries
        // An empty Go slice may be written as null.
        case .null: values = []
        default: throw .manifestMalformed("\(path): \(name) is not an array")
        }
        guard values.count <= limit else {
            throw .tooLarge(what: "\(path).\(name)", limit: limit, unit: "entries")
        }
        var descriptors: [Descriptor?] = []
        descriptors.reserveCapacity(values.count)
        for (position, value) in values.enumerated() {
            if passesOverForeign, let digest = value["digest"]?.text, Digest.isForeign(digest) {
                descriptors.append(nil)
                continue
            }
            descriptors.append(try Descriptor(json: value, in: "\(path).\(name)[\(position)]"))
        }
        return descriptors
    }
}

extension Descriptor {
    init(json: JSONValue, in path: String) throws(OCIError) {
        guard case .object = json else { throw .manifestMalformed("\(path): not a descriptor") }
        guard let digest = try json.optionalString("digest", in: path) else {
            throw .manifestMalformed("\(path): no digest")
        }
        guard let size = try json.member("size", in: path).integer, size >= 0 else {
            throw .manifestMalformed("\(path).size: not a length")
        }
        guard let mediaType = try json.mediaType("mediaType", in: path) else {
            throw .manifestMalformed("\(path): no mediaType")
        }
        var platform: Platform?
        if let described = json["platform"], case .object = described {
            platform = Platform(
                architecture: try described.optionalString("architecture", in: "\(path).platform") ?? "",
                os: try described.optionalString("os", in: "\(path).platform") ?? "",
                variant: try described.optionalString("variant", in: "\(path).platform"))
        }
        let known: Digest
        // a fault of these bytes, whoever wrote them, and not of what was asked for
        do { known = try Digest(digest) } catch { throw .manifestMalformed("\(path).digest: \(error)") }
        self.init(
            mediaType: mediaType, digest: known, size: size,
            artifactType: try json.mediaType("artifactType", in: path),
            annotations: try json.annotations(in: path), platform: platform)
    }
}
