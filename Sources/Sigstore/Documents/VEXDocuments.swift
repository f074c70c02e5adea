import StrictJSON

extension DocumentObject {
    private static let openVEXStatus = ["not_affected", "affected", "fixed", "under_investigation"]
    private static let justifications = [
        "component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
        "vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
    ]

    /// OpenVEX 0.0.1 to 0.2.0: what the specification calls required, and what a status obliges to say.
    func checkOpenVEX() throws(DocumentError) -> String {
        let context = try text("@context")
        guard context == "https://openvex.dev/ns" || context.hasPrefix("https://openvex.dev/ns/v") else {
            throw invalid("\"\(printable(context, limit: 60))\" is not https://openvex.dev/ns…", at: "@context")
        }
        _ = try text("@id")
        _ = try text("author")
        try time("timestamp")
        // 0.0.1 wrote it as text
        if kind("version") == .string { _ = try text("version") } else { try count("version") }
        try each("statements", atLeast: 1) { statement throws(DocumentError) in try statement.checkOpenVEXStatement() }
        let version = context.split(separator: "/").last.map(String.init) ?? ""
        return version.hasPrefix("v") ? "OpenVEX \(version.dropFirst())" : "OpenVEX"
    }

    private func checkOpenVEXStatement() throws(DocumentError) {
        // 0.0.1 and 0.1 had the name alone
        if kind("vulnerability") == .string {
            _ = try text("vulnerability")
        } else {
            let vulnerability = try object("vulnerability")
            guard vulnerability.has("name") || vulnerability.has("@id") else {
                throw vulnerability.invalid("is missing", at: "name")
            }
        }
        switch try word("status", of: Self.openVEXStatus) {
        case "not_affected":
            if has("justification") {
                try word("justification", of: Self.justifications)
            } else if !has("impact_statement") {
                throw invalid("not_affected needs a justification or an impact_statement", at: "justification")
            }
        case "affected":
            guard has("action_statement") else {
                throw invalid("affected needs an action_statement", at: "action_statement")
            }
        default: break
        }
        if has("products"), kind("products") != .array { throw invalid("is no array", at: "products") }
    }

    private static let productStatus = [
        "first_affected", "first_fixed", "fixed", "known_affected", "known_not_affected", "last_affected",
        "recommended",
        "under_investigation",
    ]

    /// CSAF 2.0 and 2.1: the mandatory members of every document (§3.2.1) and of profile 5, VEX (§4.5).
    func checkCSAF() throws(DocumentError) -> String {
        let document = try object("document")
        try document.word("category", of: ["csaf_vex"])
        let version = try document.word("csaf_version", of: ["2.0", "2.1"])
        _ = try document.text("title")
        let publisher = try document.object("publisher")
        for name in ["category", "name"] { _ = try publisher.text(name) }
        try publisher.uri("namespace")
        let tracking = try document.object("tracking")
        for name in ["id", "version"] { _ = try tracking.text(name) }
        try tracking.word("status", of: ["draft", "final", "interim"])
        try tracking.time("initial_release_date")
        try tracking.time("current_release_date")
        try tracking.each("revision_history", atLeast: 1) { revision throws(DocumentError) in
            try revision.time("date")
            _ = try revision.text("number")
        }
        _ = try object("product_tree")
        try each("vulnerabilities", atLeast: 1) { vulnerability throws(DocumentError) in
            guard vulnerability.has("cve") || vulnerability.has("ids") else {
                throw vulnerability.invalid("neither cve nor ids")
            }
            let status = try vulnerability.object("product_status")
            for name in Self.productStatus { try status.texts(name) }
            guard ["fixed", "known_affected", "known_not_affected", "under_investigation"].contains(where: status.has)
            else {
                throw status.invalid("none of fixed, known_affected, known_not_affected, under_investigation")
            }
            if status.has("known_not_affected"), !vulnerability.has("flags"), !vulnerability.has("threats") {
                throw vulnerability.invalid("known_not_affected needs flags or an impact statement in threats")
            }
            if status.has("known_affected"), !vulnerability.has("remediations") {
                throw vulnerability.invalid("known_affected needs remediations")
            }
        }
        return "CSAF \(version) VEX"
    }
}
