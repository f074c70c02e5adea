extension DocumentObject {
    /// SPDX 2.2 and 2.3 JSON (the members that the JSON schema of spdx/spdx-spec demands), or SPDX 3 JSON-LD.
    func checkSPDX() throws(DocumentError) -> String {
        if !has("spdxVersion"), has("@graph") { return try checkSPDX3() }
        let version = try word("spdxVersion", of: ["SPDX-2.2", "SPDX-2.3"])
        try word("SPDXID", of: ["SPDXRef-DOCUMENT"])
        try word("dataLicense", of: ["CC0-1.0"])
        _ = try text("name")
        try uri("documentNamespace")
        let creation = try object("creationInfo")
        try creation.time("created")
        try creation.texts("creators", atLeast: 1)
        try each("packages") { package throws(DocumentError) in
            try package.spdxIdentifier()
            _ = try package.text("name")
            _ = try package.text("downloadLocation")
        }
        try each("files") { file throws(DocumentError) in
            try file.spdxIdentifier()
            _ = try file.text("fileName")
        }
        try each("relationships") { relationship throws(DocumentError) in
            _ = try relationship.text("spdxElementId")
            _ = try relationship.text("relatedSpdxElement")
            _ = try relationship.text("relationshipType")
        }
        return "SPDX \(version.dropFirst("SPDX-".count))"
    }

    /// SPDX 2.3 §7.2: `SPDXRef-` and letters, digits, `.` and `-`.
    private func spdxIdentifier() throws(DocumentError) {
        let id = try text("SPDXID")
        guard id.hasPrefix("SPDXRef-"), id.utf8.count > 8 else {
            throw invalid("\"\(printable(id, limit: 60))\" does not begin with SPDXRef-", at: "SPDXID")
        }
    }

    /// SPDX 3.0: a JSON-LD graph in the context of the specification, with exactly one `SpdxDocument`.
    private func checkSPDX3() throws(DocumentError) -> String {
        let context = try text("@context")
        guard context.hasPrefix("https://spdx.org/rdf/3."), context.hasSuffix("/spdx-context.jsonld") else {
            throw invalid("\"\(printable(context, limit: 80))\" is no context of SPDX 3", at: "@context")
        }
        var documents = 0
        var version: String?
        try each("@graph", atLeast: 2) { node throws(DocumentError) in
            switch try node.text("type") {
            case "CreationInfo":
                let stated = try node.text("specVersion")
                guard stated.hasPrefix("3.") else {
                    throw node.invalid("\"\(printable(stated, limit: 20))\" is no version 3", at: "specVersion")
                }
                try node.time("created")
                version = stated
            case let type:
                if type == "SpdxDocument" { documents += 1 }
                guard node.has("spdxId") || node.has("@id") else { throw node.invalid("is missing", at: "spdxId") }
            }
        }
        guard documents == 1 else {
            throw invalid("has \(documents) elements of type SpdxDocument, one is needed", at: "@graph")
        }
        guard let version else { throw invalid("has no CreationInfo", at: "@graph") }
        return "SPDX \(version)"
    }
}
