// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host

/// The drop-in of one service: what is in it, and where it goes.
struct UnitDropIn {
  static let header = "# Written by `oomwitness protect systemd`, which may overwrite it."
  private static let fileName = "50-oomwitness.conf"

  let unit: String
  let oomScoreAdj: Int?
  let oomPolicy: String?
  let root: String

  var folder: String { "\(root == "/" ? "" : root)/etc/systemd/system/\(unit).d" }
  var path: String { folder + "/" + UnitDropIn.fileName }

  /// Source: systemd.exec(5), OOMScoreAdjust=; systemd.service(5), OOMPolicy=.
  var text: String {
    var lines = [UnitDropIn.header, "[Service]"]
    if let oomScoreAdj { lines.append("OOMScoreAdjust=\(oomScoreAdj)") }
    if let oomPolicy { lines.append("OOMPolicy=\(oomPolicy)") }
    return lines.map { $0 + "\n" }.joined()
  }

  enum WriteOutcome {
    case written
    /// It is there already, word for word.
    case same
    /// Somebody else's.
    case foreign
  }

  /// What a drop-in of ours says that is there already: it is written over as a whole. None where it is somebody else's.
  func linesBefore() throws(HostError) -> [String] {
    guard let present = try present(), present.starts(with: UnitDropIn.header.utf8) else { return [] }
    return present.split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) }.filter { $0.contains("=") }
  }

  /// Whether it says something of the same key, so that a line is only given another value.
  func has(_ line: String) -> Bool {
    let key = line.prefix { $0 != "=" }
    return text.split(separator: "\n").contains { $0.hasPrefix(key + "=") }
  }

  /// Puts it in its place at once, through a second name.
  func write() throws(HostError) -> WriteOutcome {
    if let present = try present() {
      if present == Array(text.utf8) { return .same }
      guard present.starts(with: UnitDropIn.header.utf8) else { return .foreign }
    }
    try makeFolder()
    let new = path + ".new"
    unlink(new)
    let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(.open, new) }
    let bytes = Array(text.utf8)
    let count = Glibc.write(descriptor, bytes, bytes.count)
    let synced = count == bytes.count && fsync(descriptor) == 0
    let error: HostError? = synced ? nil : failure(.write, new)
    close(descriptor)
    if let error { throw error }
    guard rename(new, path) == 0 else { throw failure(.write, path) }
    return .written
  }

  private func present() throws(HostError) -> [UInt8]? {
    guard access(path, F_OK) == 0 else { return nil }
    let directory = try Directory(path: folder)
    return try FileReader().contents(KernelName(UnitDropIn.fileName), in: directory).map { Array($0.bytes) }
  }

  private func makeFolder() throws(HostError) {
    var made = root == "/" ? "" : root
    for component in ["etc", "systemd", "system", "\(unit).d"] {
      made += "/" + component
      guard mkdir(made, 0o755) == 0 || errno == EEXIST else { throw failure(.make, made) }
    }
  }

  private func failure(_ operation: HostError.Operation, _ path: String) -> HostError {
    .system(operation: operation, path: KernelName(path), errno: errno)
  }
}

/// systemd itself, where it runs.
enum Systemctl {
  private static let path = "/usr/bin/systemctl"

  /// Source: sd_booted(3).
  static var isThere: Bool { access("/run/systemd/system", F_OK) == 0 && access(path, X_OK) == 0 }

  /// What it would give to the processes of a service; nil where it does not know it.
  static func settings(unit: String) -> SystemdUnitFiles.Settings? {
    let ended = ChildProgram.run(path, ["show", "-p", "LoadState,OOMScoreAdjust,OOMPolicy", "--", unit])
    guard let ended, ended.status == 0 else { return nil }
    var settings = SystemdUnitFiles.Settings()
    for line in ended.output.split(separator: "\n") {
      let halves = line.split(separator: "=", maxSplits: 1)
      guard halves.count == 2 else { continue }
      switch halves[0] {
      case "LoadState" where halves[1] != "loaded": return nil
      case "OOMScoreAdjust": settings.oomScoreAdjust = Int(halves[1])
      case "OOMPolicy": settings.oomPolicy = String(halves[1])
      default: break
      }
    }
    return settings
  }

  /// Why it failed; nil where it did not.
  static func reload() -> String? {
    guard let ended = ChildProgram.run(path, ["daemon-reload"], seconds: 90) else { return "there is no \(path)" }
    return ended.status == 0 ? nil : TerminalText.safe(String(ended.output.split(separator: "\n").first ?? "it failed"))
  }
}
