// SPDX-License-Identifier: Apache-2.0
import Events

/// One setting of a daemon of systemd's: the main file of the first folder that has one, then all drop-ins by name.
///
/// Source: journald.conf(5), systemd-system.conf(5), configuration directories and precedence.
package struct SystemdConfiguration {
  private static let folders = ["etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"]

  private let root: KernelName
  private let files = FileReader()

  package init(root: String = "/") { self.root = KernelName(root) }

  /// What the last line of that key says, without blanks; nil where none says anything.
  ///
  /// - Parameters:
  ///   - file: its name, as `journald.conf`.
  ///   - section: without brackets.
  /// File: /etc/systemd/FILE, FILE.d/*.conf.
  package func value(_ key: String, section: String, file: String) throws(HostError) -> String? {
    var value: String?
    for folder in SystemdConfiguration.folders {
      guard let contents = try contents(KernelName(file), in: folder) else { continue }
      SystemdConfiguration.apply(contents, key, section, to: &value)
      break
    }
    var places: [KernelName: String] = [:]
    for folder in SystemdConfiguration.folders {
      guard let directory = try directory("\(folder)/\(file).d") else { continue }
      for name in try directory.names(ending: ".conf") where places[name] == nil {
        places[name] = "\(folder)/\(file).d"
      }
    }
    for (name, place) in places.sorted(by: { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }) {
      if let contents = try contents(name, in: place) {
        SystemdConfiguration.apply(contents, key, section, to: &value)
      }
    }
    return value
  }

  private func contents(_ name: KernelName, in folder: String) throws(HostError) -> FileContents? {
    guard let directory = try directory(folder) else { return nil }
    return try files.contents(name, in: directory)
  }

  private func directory(_ folder: String) throws(HostError) -> Directory? {
    try Directory(path: root).directory(KernelName(folder))
  }

  /// An empty value takes back what was said before. Source: systemd.syntax(7).
  private static func apply(_ contents: FileContents, _ key: String, _ section: String, to value: inout String?) {
    var isInSection = false
    for line in contents.lines {
      let text = String(decoding: line, as: UTF8.self).filter { $0 != " " && $0 != "\t" && $0 != "\r" }
      if text.hasPrefix("[") {
        isInSection = text == "[\(section)]"
      } else if isInSection, text.hasPrefix(key + "=") {
        let said = text.dropFirst(key.utf8.count + 1)
        value = said.isEmpty ? nil : String(said)
      }
    }
  }
}
