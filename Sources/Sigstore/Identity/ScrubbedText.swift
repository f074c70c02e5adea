/// Text of a token service or program, fit to be shown: cut, cleaned of control characters, and without anything that
/// looks like a token. Services quote what they were sent, programs print what they hold.
///
/// A token is a run of 24 and more characters of base64, base64url, hex or a JWT that has letters and digits, or any run
/// that begins as a JSON object does in base64 (`eyJ`).
func scrubbed(_ text: String, limit: Int = 512) -> String {
    var result = ""
    var run = ""
    func isSecret(_ run: String) -> Bool {
        if run.contains("eyJ") { return true }
        return run.utf8.count >= 24 && run.contains(where: \.isLetter) && run.contains(where: \.isNumber)
    }
    for character in printable(text, limit: 4 * limit) + "\n" {
        if character.isASCII, character.isLetter || character.isNumber || "+/=-_.~".contains(character) {
            run.append(character)
            continue
        }
        result += isSecret(run) ? "«redacted»" : run
        run = ""
        result.append(character)
    }
    while result.last?.isWhitespace == true { result.removeLast() }
    return printable(result, limit: limit)
}
