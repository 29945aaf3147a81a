// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The text of a file; nil where it cannot be read.
func readText(_ path: String) -> String? {
  guard let file = fopen(path, "re") else { return nil }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = fread(&chunk, 1, chunk.count, file)
    if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
    bytes += chunk[..<count]
  }
}

/// Debian's python3 with its jsonschema: a judge of our lines that we have not written.
enum Python {
  /// The checkout's root.
  static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
  static let mustRun = getenv("OOMWITNESS_MUST_RUN").map { String(cString: $0) == "1" } ?? false

  /// Why it cannot judge here; nil where it can.
  static let refusal: String? = {
    let tried = run("from jsonschema import Draft202012Validator", [])
    return tried.status == 0 ? nil : "needs /usr/bin/python3 and python3-jsonschema: \(tried.output)"
  }()

  static var mayRun: Bool { mustRun || refusal == nil }

  /// Runs a script with arguments; its output and errors together.
  static func run(_ script: String, _ arguments: [String]) -> (status: Int32, output: String) {
    let path = temporaryFile("")
    defer { unlink(path) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    let words = ["/usr/bin/python3", "-I", "-c", script] + arguments
    let argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    let variables = ["PATH=/usr/bin:/bin", "PYTHONUTF8=1"]
    let environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
    defer {
      for pointer in argv + environment { free(pointer) }
      posix_spawn_file_actions_destroy(&actions)
    }
    var child: pid_t = 0
    let error = posix_spawn(&child, "/usr/bin/python3", &actions, nil, argv, environment)
    guard error == 0 else { return (127, String(cString: strerror(error))) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return (status == 0 ? 0 : 1, readText(path) ?? "")
  }

  /// A new file below /tmp that holds `text`.
  static func temporaryFile(_ text: String) -> String {
    var template = Array("/tmp/oomwitness-events-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    precondition(descriptor >= 0)
    let bytes = Array(text.utf8)
    let written = write(descriptor, bytes, bytes.count)
    precondition(written == bytes.count)
    close(descriptor)
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
