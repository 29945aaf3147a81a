// SPDX-License-Identifier: Apache-2.0
import Events
import Host
import Policy
import Report

/// Shows what sets the limits, and writes it where it is told to: all of it, or nothing.
struct LimitWriter {
  private let manifests: LimitManifest.Set

  init(_ advice: [AdvisedLimit], _ writer: Limits.Writer) {
    func quoted(_ text: String) -> String? { ShellText.quoted(KernelName(text)) }
    switch writer {
    case .compose: manifests = ComposeOverride.files(advice)
    case .kubernetes: manifests = KubernetesPatch.files(advice, quoted: quoted)
    case .systemd: manifests = UnitLimits.files(advice)
    case .jvm: manifests = JVMNotes.files(advice)
    }
  }

  func write(to path: String?, overwriting: Bool) throws {
    for left in manifests.left {
      Diagnostic.say("\(TerminalText.safe(left.name)) is not in it: \(TerminalText.safe(left.reason))")
    }
    guard !manifests.files.isEmpty else {
      let same = manifests.unchanged
      Diagnostic.say(
        "there is nothing to write" + (same > 0 ? ": \(same) will do as \(same == 1 ? "it is" : "they are")" : ""))
      return
    }
    guard let path else {
      return try StandardOutput.show(manifests.files.map(\.text).joined(separator: separator))
    }
    let files = try placed(path)
    for (path, _) in files { try check(path, overwriting: overwriting) }
    for (path, file) in files {
      do throws(HostError) {
        if let folder = LimitWriter.folder(of: path) { try NewFile.makeFolder(folder) }
        try NewFile.write(file.text, to: path, overwriting: overwriting)
      } catch {
        throw Diagnostic.fail(Wording.sentence(error))
      }
      let lines = file.apply(ShellText.quoted(KernelName(path)) ?? "FILE").map { "  \($0)\n" }
      try StandardOutput.show("Written: \(TerminalText.safe(path))\n" + lines.joined())
    }
  }

  /// Documents of YAML one after the other; all else is told apart by its comments.
  private var separator: String { manifests.files.allSatisfy { $0.fileName.hasSuffix(".yaml") } ? "---\n" : "\n" }

  /// One file is the path itself, unless that is a folder; several are below it.
  private func placed(_ path: String) throws -> [(path: String, file: LimitManifest)] {
    let isFolder = path.hasSuffix("/") || NewFile.isFolder(path)
    if manifests.files.count == 1, !isFolder { return [(path, manifests.files[0])] }
    guard isFolder else {
      throw Diagnostic.fail(
        "these are \(manifests.files.count) files: give --to a folder, as \(TerminalText.safe(path))/; nothing was written"
      )
    }
    let folder = path.hasSuffix("/") ? path : path + "/"
    return manifests.files.map { (folder + $0.fileName, $0) }
  }

  private func check(_ path: String, overwriting: Bool) throws {
    switch NewFile.present(path) {
    case .nothing: return
    case .file where overwriting: return
    case .file:
      throw Diagnostic.fail("\(TerminalText.safe(path)) is there already (--force writes over it); nothing was written")
    case .other: throw Diagnostic.fail("\(TerminalText.safe(path)) is no regular file; nothing was written")
    }
  }

  private static func folder(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return nil }
    return String(path[..<slash])
  }
}
