// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Policy

/// Whose memory is looked at, and from where on it is short.
struct PressureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A control group to look at too, by its path from the root of the hierarchy, below its own limit. Repeatable.",
      valueName: "path"))
  var cgroup: [String] = []
  @Flag(help: "Look at the groups given alone, and not at the whole system.")
  var noSystem = false
  @Option(
    help: ArgumentHelp(
      "Used memory, in percent, from which on it is low, medium and critical.", valueName: "low,medium,critical"))
  var memory = "70,85,95"
  @Option(
    help: ArgumentHelp(
      "The same for used swap, which adds no more than one level to what memory says.", valueName: "low,medium,critical"
    ))
  var swap = "70,85,95"
  @Option(
    help: ArgumentHelp(
      "Percent of the last ten seconds in which some tasks stood still for memory (PSI).",
      valueName: "low,medium,critical"))
  var stallSome = "10,30,60"
  @Option(
    help: ArgumentHelp("The same for all tasks at once.", valueName: "low,medium,critical"))
  var stallFull = "5,20,40"

  func validate() throws {
    _ = try thresholds()
    if noSystem, cgroup.isEmpty { throw ValidationError("--no-system leaves nothing to look at: add --cgroup PATH") }
    if cgroup.count > PressureOptions.groupsMax {
      throw ValidationError("--cgroup takes at most \(PressureOptions.groupsMax) groups, not \(cgroup.count)")
    }
  }

  /// Each is a few files at each look.
  private static let groupsMax = 256

  func thresholds() throws -> PressureThresholds {
    var thresholds = PressureThresholds()
    thresholds.memory = try PressureOptions.steps(memory, of: "--memory")
    thresholds.swap = try PressureOptions.steps(swap, of: "--swap")
    thresholds.stallSome = try PressureOptions.steps(stallSome, of: "--stall-some")
    thresholds.stallFull = try PressureOptions.steps(stallFull, of: "--stall-full")
    return thresholds
  }

  private static func steps(_ text: String, of option: String) throws -> PressureThresholds.Steps {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap(hundredths)
    guard parts.count == 3, numbers.count == 3,
      let steps = PressureThresholds.Steps(low: numbers[0], medium: numbers[1], critical: numbers[2])
    else {
      throw ValidationError(
        "\(option) takes three percentages above 0 and up to 100 in the order low, medium, critical, as 70,85,95, "
          + "not '\(TerminalText.safe(text))'")
    }
    return steps
  }

  /// `70`, `2.5`, `0.25` as hundredths.
  private static func hundredths(_ text: Substring) -> Int64? {
    let halves = text.split(separator: ".", omittingEmptySubsequences: false)
    guard let first = halves.first, first.count <= 3, halves.count <= 2,
      halves.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }), let whole = Int64(first)
    else { return nil }
    guard halves.count == 2 else { return whole * 100 }
    guard halves[1].count <= 2, let fraction = Int64(halves[1]) else { return nil }
    return whole * 100 + (halves[1].count == 1 ? fraction * 10 : fraction)
  }
}
