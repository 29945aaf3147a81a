// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import Policy

/// From where on the guard acts, and whom it takes.
struct GuardOptions: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: ArgumentHelp(
      "SIGTERM once no more than this share of memory is available, SIGKILL at the second. (default: 10,5)",
      valueName: "percent[,kill]"))
  var memory: String?
  @Option(
    name: [.customShort("M"), .long],
    help: ArgumentHelp("The same as a size in KiB; with --memory too, the lower of both.", valueName: "kib[,kill]"))
  var memorySize: String?
  @Option(
    name: [.customShort("s"), .long],
    help: ArgumentHelp(
      "And no more than this share of swap is free; 100: whatever is. (default: 10,5)", valueName: "percent[,kill]"))
  var swap: String?
  @Option(
    name: [.customShort("S"), .long], help: ArgumentHelp("The same as a size in KiB.", valueName: "kib[,kill]"))
  var swapSize: String?
  @Option(
    help: ArgumentHelp("Also once all tasks stood still for memory this share of the time.", valueName: "percent"))
  var pressureFull: String?
  @Option(help: ArgumentHelp("Also once some task did.", valueName: "percent"))
  var pressureSome: String?
  @Option(help: ArgumentHelp("For so many seconds in a row.", valueName: "seconds"))
  var pressureSeconds = 20.0
  @Option(
    help: ArgumentHelp("Guard this control group against its own limit, and take nobody outside.", valueName: "path"))
  var cgroup: String?
  @Option(
    help: ArgumentHelp(
      "Rather take processes whose name matches; or FIELD=REGEX: exe, cmdline, cgroup, unit, container.",
      valueName: "regex"))
  var prefer: [String] = []
  @Option(help: ArgumentHelp("Rather take others.", valueName: "regex"))
  var avoid: [String] = []
  @Option(help: ArgumentHelp("Never take these.", valueName: "regex"))
  var ignore: [String] = []
  @Flag(help: "Take who is largest in memory, not who has most points.")
  var sortByRss = false
  @Flag(name: [.customShort("g"), .long], help: "End the whole process group of the one that is taken.")
  var processGroup = false
  @Flag(help: "End all of its control group.")
  var wholeCgroup = false
  @Option(help: ArgumentHelp("From SIGTERM to SIGKILL.", valueName: "seconds"))
  var grace = 5.0
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Take the options of earlyoom as they are, as '-m 5 -s 10'.", valueName: "words"))
  var earlyoomArgs: String?
  @Option(help: ArgumentHelp("Take EARLYOOM_ARGS of this file, as /etc/default/earlyoom.", valueName: "file"))
  var earlyoomFile: String?

  func validate() throws {
    guard pressureSeconds >= 1, pressureSeconds <= 3600 else {
      throw ValidationError("--pressure-seconds takes 1 to 3600, not \(pressureSeconds)")
    }
    guard grace >= 0, grace <= 3600 else { throw ValidationError("--grace takes 0 to 3600 seconds, not \(grace)") }
    if processGroup, wholeCgroup { throw ValidationError("--process-group and --whole-cgroup: one of them") }
    if earlyoomArgs != nil, earlyoomFile != nil {
      throw ValidationError("--earlyoom-args and --earlyoom-file: one of them")
    }
    _ = try thresholds(EarlyoomArguments())
    _ = try preferences(EarlyoomArguments())
    if let earlyoomArgs { _ = try settings(try EarlyoomReading.arguments(earlyoomArgs)) }
  }

  /// All together; with what no equal there is for said on stderr.
  func settings() throws -> GuardSettings {
    var earlyoom = EarlyoomArguments()
    if let earlyoomArgs { earlyoom = try EarlyoomReading.arguments(earlyoomArgs) }
    if let earlyoomFile { earlyoom = try EarlyoomReading.file(earlyoomFile) }
    for remark in earlyoom.remarks { Diagnostic.say(Wording.sentence(remark)) }
    return try settings(earlyoom)
  }

  private func settings(_ earlyoom: EarlyoomArguments) throws -> GuardSettings {
    var settings = GuardSettings(thresholds: try thresholds(earlyoom), preferences: try preferences(earlyoom))
    settings.measure = sortByRss || earlyoom.sortsByRSS ? .rss : .badness
    settings.extent = wholeCgroup ? .cgroup : processGroup || earlyoom.takesProcessGroup ? .processGroup : .process
    settings.timing.graceNanoseconds = Int64(grace * 1e9)
    settings.isDryRun = earlyoom.isDryRun
    return settings
  }

  /// What is given here goes before what earlyoom's line says.
  private func thresholds(_ earlyoom: EarlyoomArguments) throws -> GuardThresholds {
    var thresholds = GuardThresholds()
    let (memory, memorySize) = (self.memory ?? earlyoom.memory, self.memorySize ?? earlyoom.memoryKibibytes)
    let (swap, swapSize) = (self.swap ?? earlyoom.swap, self.swapSize ?? earlyoom.swapKibibytes)
    if let memory {
      thresholds.memoryHundredths = try number("--memory", memory, GuardNumbers.percents)
    } else if memorySize != nil {
      thresholds.memoryHundredths = nil
    }
    if let swap {
      thresholds.swapHundredths = try number("--swap", swap, GuardNumbers.percents)
    } else if swapSize != nil {
      thresholds.swapHundredths = nil
    }
    thresholds.memoryKibibytes = try memorySize.map { try number("--memory-size", $0, GuardNumbers.kibibytes) }
    thresholds.swapKibibytes = try swapSize.map { try number("--swap-size", $0, GuardNumbers.kibibytes) }
    thresholds.fullHundredths = try pressureFull.map { try number("--pressure-full", $0, GuardNumbers.percent) }
    thresholds.someHundredths = try pressureSome.map { try number("--pressure-some", $0, GuardNumbers.percent) }
    thresholds.pressureNanoseconds = Int64(pressureSeconds * 1e9)
    return thresholds
  }

  private func number<Value>(
    _ option: String, _ text: String, _ read: (String) throws(GuardNumbers.Failure) -> Value
  ) throws -> Value {
    do throws(GuardNumbers.Failure) {
      return try read(text)
    } catch {
      throw ValidationError(Wording.sentence(error, option: option))
    }
  }

  private func preferences(_ earlyoom: EarlyoomArguments) throws -> GuardPreferences {
    let (prefer, avoid, ignore) = (
      self.prefer + earlyoom.prefer, self.avoid + earlyoom.avoid, self.ignore + earlyoom.ignore
    )
    guard prefer.count + avoid.count + ignore.count <= GuardPreferences.rulesMax else {
      throw ValidationError("no more than \(GuardPreferences.rulesMax) patterns can be given in all")
    }
    return GuardPreferences(
      prefer: try prefer.map { try rule("--prefer", $0) }, avoid: try avoid.map { try rule("--avoid", $0) },
      ignore: try ignore.map { try rule("--ignore", $0) })
  }

  private func rule(_ option: String, _ text: String) throws -> GuardPreferences.Rule {
    do throws(GuardPattern.Failure) {
      return try GuardPreferences.Rule(text)
    } catch {
      throw ValidationError(Wording.sentence(error, option: option, pattern: text))
    }
  }
}

/// What the guard was told.
struct GuardSettings {
  /// Who goes with the one that is taken.
  enum Extent { case process, processGroup, cgroup }

  var thresholds: GuardThresholds
  var preferences: GuardPreferences
  var measure = GuardMeasure.badness
  var extent = Extent.process
  var timing = GuardMachine.Timing()
  var isDryRun = false

  init(thresholds: GuardThresholds, preferences: GuardPreferences) {
    self.thresholds = thresholds
    self.preferences = preferences
  }
}
