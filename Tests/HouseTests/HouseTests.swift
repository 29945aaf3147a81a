// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// The rules of the house, held against the tree as it is.
@Suite struct HouseTests {
  /// An arrow is an import; nothing else is allowed. Beside these, Glibc is free to all but Events.
  static let arrows: [String: Set<String>] = [
    "Events": [],
    "KernelProbe": ["CProbe", "CLibbpf", "Events"],
    "Host": ["CLinux", "Events", "Synchronization"],
    "KernelLog": ["CLinux", "Events"],
    "Policy": ["Events"],
    "Configuration": ["CYAML", "Events", "Policy"],
    "Witness": ["Host", "Events"],
    "Sinks": ["CLinux", "Events", "Synchronization"],
    "Metrics": ["CLinux", "Events", "Synchronization"],
    "Report": ["Events"],
    "oomwitness": [
      "Events", "KernelProbe", "Host", "KernelLog", "Policy", "Configuration", "Witness", "Sinks", "Metrics",
      "Report", "ArgumentParser", "Synchronization",
    ],
  ]
  static let sources = Repository.files(below: "Sources", ending: [".swift"])
  static let allSwift = sources + Repository.files(below: "Tests", ending: [".swift"])

  static func lines(_ path: String) -> [String] {
    (Files.text(Repository.root + "/" + path) ?? "").split(separator: "\n", omittingEmptySubsequences: false)
      .map(String.init)
  }

  @Test("the tree was found") func treeIsFound() {
    #expect(HouseTests.sources.count > 40)
    #expect(Set(HouseTests.sources.map { String($0.split(separator: "/")[1]) }) == Set(HouseTests.arrows.keys))
  }

  @Test("a module imports what its arrows allow, and nothing else", arguments: sources)
  func importsFollowTheArrows(path: String) {
    let module = String(path.split(separator: "/")[1])
    for line in HouseTests.lines(path) {
      let words = line.split(separator: " ").map(String.init)
      guard let position = words.firstIndex(of: "import"), position <= 1, !line.hasPrefix(" "), !line.hasPrefix("/")
      else { continue }
      let imported = words[position + 1]
      let isAllowed = HouseTests.arrows[module]!.contains(imported) || (imported == "Glibc" && module != "Events")
      #expect(isAllowed, "\(path) imports \(imported)")
    }
  }

  @Test("a file says its licence first and has no more than 400 lines", arguments: allSwift)
  func filesAreShortAndLicensed(path: String) {
    let lines = HouseTests.lines(path)
    #expect(lines.first == "// SPDX-License-Identifier: Apache-2.0")
    #expect(lines.count <= 401, "\(path) has \(lines.count) lines")
  }

  @Test("a function has no more than 60 lines", arguments: allSwift)
  func functionsAreShort(path: String) {
    var began: (indent: Int, line: Int)?
    for (number, line) in HouseTests.lines(path).enumerated() {
      let indent = line.prefix { $0 == " " }.count
      let text = line.dropFirst(indent)
      if let start = began, indent == start.indent, text.hasPrefix("}") {
        #expect(number - start.line <= 60, "\(path):\(start.line + 1) has \(number - start.line) lines")
        began = nil
      } else if began == nil, text.contains("func ") || text.hasPrefix("init("), text.hasSuffix("{") {
        began = (indent, number)
      }
    }
  }

  @Test(
    "output, exit and global variables stay in the command", arguments: sources.filter { !$0.contains("/oomwitness/") })
  func modulesDoNotSpeak(path: String) {
    for line in HouseTests.lines(path) {
      let text = line.drop { $0 == " " }
      guard !text.hasPrefix("//") else { continue }
      #expect(!text.hasPrefix("print(") && !text.contains(" print("), "\(path): \(text)")
      #expect(!text.hasPrefix("exit(") && !text.contains(" exit("), "\(path): \(text)")
      #expect(!text.contains("STDERR_FILENO"), "\(path): \(text)")
      #expect(!line.hasPrefix("var ") && !line.hasPrefix("private var "), "\(path): global \(text)")
    }
  }

  @Test("a type that another module may use says what it is", arguments: sources)
  func packageTypesAreDocumented(path: String) {
    let lines = HouseTests.lines(path)
    for (number, line) in lines.enumerated() where line.hasPrefix("package ") {
      let isDocumented = number > 0 && (lines[number - 1].hasPrefix("///") || lines[number - 1].hasPrefix("@"))
      #expect(isDocumented, "\(path):\(number + 1): \(line)")
    }
  }

  @Test("a newcomer's path stays under 1200 lines, its first page under 80")
  func newcomersPathIsShort() {
    let path = [
      "Sources/oomwitness/Commands/Trace.swift", "Sources/Witness/WitnessLoop.swift", "Sources/Events/OOMKill.swift",
      "bpf/include/wire.h", "bpf/oomwitness.bpf.c", "Sources/KernelProbe/AttachedProbe.swift",
      "Sources/Host/CgroupReader.swift",
    ]
    let counts = path.map { HouseTests.lines($0).count }
    #expect(!counts.contains(1))
    #expect(counts[0] <= 81)
    #expect(counts.reduce(0, +) <= 1200)
  }

  @Test("what is generated is not committed")
  func generatedFilesAreIgnored() {
    let tracked = Program.run("/usr/bin/git", ["-C", Repository.root, "ls-files"])
    #expect(tracked.status == 0)
    let generated = tracked.output.split(separator: "\n").filter {
      $0.hasSuffix(".skel.h") || $0.hasSuffix(".o") || $0.hasSuffix("Package.resolved") || $0.hasPrefix(".build")
    }
    #expect(generated == [])
  }
}
