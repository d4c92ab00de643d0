internal import Locking

/// A positional argument: required unless its property has a default or is optional. An array takes all remaining
/// words, at least one unless it has a default.
@propertyWrapper
public struct Argument<Value: Sendable>: Sendable {
    private let declaration: Declaration<Value>

    /// The parsed value or the default. Only valid after parsing.
    public var wrappedValue: Value { declaration.value }
}

extension Argument where Value: ArgumentValue {
    /// Declares a required value.
    public init(help: ArgumentHelp, completion: Completion = .values) {
        declaration = Declaration(default: nil, help: help, completion: completion)
    }

    /// Declares a value with a default.
    public init(wrappedValue: Value, help: ArgumentHelp, completion: Completion = .values) {
        declaration = Declaration(default: wrappedValue, help: help, completion: completion)
    }
}

extension Argument {
    /// Declares an optional value.
    public init<Element: ArgumentValue>(help: ArgumentHelp, completion: Completion = .values) where Value == Element? {
        declaration = Declaration(help: help, completion: completion)
    }

    /// Makes an argument with one or more values.
    public init<Element: ArgumentValue>(help: ArgumentHelp, completion: Completion = .values) where Value == [Element] {
        declaration = Declaration(isRequired: true, help: help, completion: completion)
    }
}

/// An option with a value: required unless its property has a default or is optional. If it is repeated the last value
/// wins; an array takes all.
@propertyWrapper
public struct Option<Value: Sendable>: Sendable {
    private let declaration: Declaration<Value>
    private let name: ArgumentName

    /// The parsed value or the default. Only valid after parsing.
    public var wrappedValue: Value { declaration.value }
}

extension Option where Value: ArgumentValue {
    /// Declares a required value.
    public init(name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values) {
        declaration = Declaration(default: nil, help: help, completion: completion)
        self.name = name
    }

    /// Declares a value with a default.
    public init(
        wrappedValue: Value, name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values
    ) {
        declaration = Declaration(default: wrappedValue, help: help, completion: completion)
        self.name = name
    }
}

extension Option {
    /// Declares an optional value.
    public init<Element: ArgumentValue>(
        name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values
    ) where Value == Element? {
        declaration = Declaration(help: help, completion: completion)
        self.name = name
    }

    /// Makes a repeatable option; empty by default.
    public init<Element: ArgumentValue>(
        wrappedValue: [Element], name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values
    ) where Value == [Element] {
        precondition(wrappedValue.isEmpty, "a list that is given on the command line begins empty")
        declaration = Declaration(isRequired: false, help: help, completion: completion)
        self.name = name
    }
}

/// An option without a value: true if given.
@propertyWrapper
public struct Flag: Sendable {
    private let slot: Slot<Bool>
    private let help: ArgumentHelp

    public init(wrappedValue: Bool, help: ArgumentHelp) {
        precondition(!wrappedValue, "a flag that is set by itself says nothing")
        slot = Slot(false)
        self.help = help
    }

    /// Whether it was given.
    public var wrappedValue: Bool { slot.value ?? false }
}

/// Arguments that several commands share.
@propertyWrapper
public struct OptionGroup<Group: ArgumentGroup>: Sendable {
    public let wrappedValue: Group

    public init() { wrappedValue = Group() }
}

// MARK: - From declarations to data

/// A declared argument with the setter of its value.
struct BoundArgument {
    let spec: ArgumentSpec
    /// Sets the value. Returns false if the word is invalid.
    let take: @Sendable (String) -> Bool
}

/// A property that declares arguments.
protocol ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument]
    /// The group to validate after parsing.
    var group: (any ArgumentGroup)? { get }
}

extension ArgumentDeclaring {
    var group: (any ArgumentGroup)? { nil }
}

extension ArgumentGroup {
    /// The properties that declare arguments; the wrapper of `file` is stored as `_file`.
    private var declarations: [(property: String, declaration: any ArgumentDeclaring)] {
        Mirror(reflecting: self).children.compactMap { child in
            guard let declaration = child.value as? any ArgumentDeclaring, let label = child.label else { return nil }
            return (String(label.drop { $0 == "_" }), declaration)
        }
    }

    /// All arguments in the order of their declarations, including those of groups.
    var boundArguments: [BoundArgument] { declarations.flatMap { $0.declaration.bound(to: $0.property) } }

    /// Validates the groups, then this.
    func validateAll() throws {
        for (_, declaration) in declarations { try declaration.group?.validateAll() }
        try validate()
    }
}

extension Argument: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] {
        [declaration.bound(names: [], valueName: ArgumentName.kebab(property))]
    }
}

extension Option: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] {
        let names = name.names(of: property)
        return [declaration.bound(names: names, valueName: String(names[names.count - 1].dropFirst(2)))]
    }
}

extension Flag: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] {
        let spec = ArgumentSpec(names: ArgumentName.long.names(of: property), help: help.text)
        return [BoundArgument(spec: spec) { [slot] _ in slot.set(true) }]
    }
}

extension OptionGroup: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] { wrappedValue.boundArguments }
    var group: (any ArgumentGroup)? { wrappedValue }
}

/// Holds the value of an argument: the wrapper reads it, the parser writes it.
private final class Slot<Value: Sendable>: Sendable {
    private let content: Mutex<Value?>

    init(_ value: Value?) { content = Mutex(value) }

    var value: Value? { content.withLock { $0 } }

    func set(_ value: Value) -> Bool {
        content.withLock { $0 = value }
        return true
    }

    func change(_ body: (inout Value?) -> Void) -> Bool {
        content.withLock { body(&$0) }
        return true
    }
}

/// What `Argument` and `Option` share.
private struct Declaration<Value: Sendable>: Sendable {
    private let slot: Slot<Value>
    private let help: ArgumentHelp
    private let completion: Completion
    private let isRequired: Bool
    private let isRepeated: Bool
    private let defaultText: String?
    private let values: [String]
    private let take: @Sendable (String) -> Bool

    var value: Value {
        guard let value = slot.value else {
            preconditionFailure("an argument was read of a command that was not parsed")
        }
        return value
    }

    func bound(names: [String], valueName: String) -> BoundArgument {
        BoundArgument(
            spec: ArgumentSpec(
                names: names, valueName: help.valueName ?? valueName, help: help.text, isRequired: isRequired,
                isRepeated: isRepeated, values: values, defaultText: defaultText, completion: completion),
            take: take)
    }

    /// One value; required without a default.
    init(default value: Value?, help: ArgumentHelp, completion: Completion) where Value: ArgumentValue {
        let slot = Slot(value)
        self.slot = slot
        self.help = help
        self.completion = completion
        isRequired = value == nil
        isRepeated = false
        defaultText = value?.argumentText
        values = Value.argumentValues
        take = { word in Value(argument: word).map(slot.set) ?? false }
    }

    /// An optional value.
    init<Element: ArgumentValue>(help: ArgumentHelp, completion: Completion) where Value == Element? {
        let slot = Slot<Value>(.some(nil))
        self.slot = slot
        self.help = help
        self.completion = completion
        isRequired = false
        isRepeated = false
        defaultText = nil
        values = Element.argumentValues
        take = { word in Element(argument: word).map { slot.set($0) } ?? false }
    }

    /// Several values.
    init<Element: ArgumentValue>(
        isRequired: Bool, help: ArgumentHelp, completion: Completion
    ) where Value == [Element] {
        let slot = Slot<Value>([])
        self.slot = slot
        self.help = help
        self.completion = completion
        self.isRequired = isRequired
        isRepeated = true
        defaultText = nil
        values = Element.argumentValues
        take = { word in Element(argument: word).map { value in slot.change { $0?.append(value) } } ?? false }
    }
}
