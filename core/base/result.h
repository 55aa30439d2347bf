// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, an Error, or "cancelled". The method names follow std::expected, so that it can take
// over when the toolchain has it. Core functions return it and never throw across a module edge.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace qs {

/// Few and stable; callers branch on the code and show the message.
enum class ErrorCode {
    InvalidArgument, ///< the caller asked for something that makes no sense
    NotFound,        ///< a file, tensor or id does not exist
    Unsupported,     ///< well-formed, but outside what this program handles
    Corrupt,         ///< a file breaks the rules of its format
    Io,              ///< the system refused to read or write
    OutOfMemory,
    Backend,   ///< a device or numeric library failed (e.g. Cholesky of an indefinite matrix)
    Internal,  ///< a bug of ours
    Cancelled, ///< not a failure: the user asked to stop. Test with Error::isCancelled().
};

const char* errorCodeName(ErrorCode code);

/// What went wrong: `message` names the rule and the value received, `where` the place (file, tensor, field).
struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message;
    std::string where;

    bool isCancelled() const { return code == ErrorCode::Cancelled; }
    /// "where: message", or the message alone when no place is known.
    std::string describe() const { return where.empty() ? message : where + ": " + message; }
    /// Adds an outer place in front ("model.safetensors: tensor q: ...").
    Error at(const std::string& outer) && {
        where = where.empty() ? outer : outer + ": " + where;
        return std::move(*this);
    }

    static Error invalid(std::string m, std::string w = {}) {
        return {ErrorCode::InvalidArgument, std::move(m), std::move(w)};
    }
    static Error notFound(std::string m, std::string w = {}) {
        return {ErrorCode::NotFound, std::move(m), std::move(w)};
    }
    static Error unsupported(std::string m, std::string w = {}) {
        return {ErrorCode::Unsupported, std::move(m), std::move(w)};
    }
    static Error corrupt(std::string m, std::string w = {}) {
        return {ErrorCode::Corrupt, std::move(m), std::move(w)};
    }
    static Error io(std::string m, std::string w = {}) { return {ErrorCode::Io, std::move(m), std::move(w)}; }
    static Error internal(std::string m, std::string w = {}) {
        return {ErrorCode::Internal, std::move(m), std::move(w)};
    }
    static Error cancelled() { return {ErrorCode::Cancelled, "Cancelled.", {}}; }
};

template<class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    /// From what converts to T, e.g. shared_ptr<Derived> to shared_ptr<const Base>.
    template<class U>
    requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result>) Result(U&& value)
        : state_(std::in_place_index<0>, T(std::forward<U>(value))) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return state_.index() == 0; }
    explicit operator bool() const { return has_value(); }
    bool isCancelled() const { return !has_value() && error().isCancelled(); }

    T& value() & {
        assert(has_value());
        return *std::get_if<0>(&state_);
    }
    const T& value() const& {
        assert(has_value());
        return *std::get_if<0>(&state_);
    }
    T&& value() && {
        assert(has_value());
        return std::move(*std::get_if<0>(&state_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const {
        assert(!has_value());
        return *std::get_if<1>(&state_);
    }
    Error takeError() {
        assert(!has_value());
        return std::move(*std::get_if<1>(&state_));
    }

private:
    std::variant<T, Error> state_;
};

template<>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    bool has_value() const { return !error_.has_value(); }
    explicit operator bool() const { return has_value(); }
    bool isCancelled() const { return error_ && error_->isCancelled(); }
    const Error& error() const { return *error_; }
    Error takeError() { return std::move(*error_); }

private:
    std::optional<Error> error_;
};

} // namespace qs

#define QS_CONCAT_INNER(a, b) a##b
#define QS_CONCAT(a, b) QS_CONCAT_INNER(a, b)

/// `QS_TRY(auto x, f());` assigns the value of f() to x or returns its error from the enclosing function.
#define QS_TRY(declaration, expression)                                                                      \
    auto QS_CONCAT(qsTry, __LINE__) = (expression);                                                          \
    if (!QS_CONCAT(qsTry, __LINE__)) return QS_CONCAT(qsTry, __LINE__).takeError();                          \
    declaration = std::move(QS_CONCAT(qsTry, __LINE__)).value()

/// `QS_CHECK(f());` returns the error of f() from the enclosing function, if any; the value is dropped.
#define QS_CHECK(expression)                                                                                 \
    do {                                                                                                     \
        auto qsCheckResult = (expression);                                                                   \
        if (!qsCheckResult) return qsCheckResult.takeError();                                                \
    } while (false)
