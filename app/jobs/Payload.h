// SPDX-License-Identifier: GPL-3.0-or-later
// Values that cross from a worker to the window: immutable snapshots of any type, checked when they are taken
// out.
#pragma once

#include "core/base/result.h"

#include <memory>
#include <typeindex>

namespace qs::app {

/// A shared_ptr<const T> without its T. Copies share the value. Thread-safe as shared_ptr is.
class Payload {
public:
    Payload() = default;
    template<class T>
    Payload(std::shared_ptr<const T> value) : m_type(typeid(T)), m_value(std::move(value)) {}
    template<class T>
    Payload(std::shared_ptr<T> value) : m_type(typeid(T)), m_value(std::move(value)) {}
    /// Moves a value into a new snapshot.
    template<class T>
    static Payload of(T value) {
        return Payload(std::make_shared<const T>(std::move(value)));
    }

    bool empty() const { return !m_value; }
    /// Null when it holds another type.
    template<class T>
    std::shared_ptr<const T> as() const {
        return m_type == typeid(T) ? std::static_pointer_cast<const T>(m_value) : nullptr;
    }

private:
    std::type_index m_type = typeid(void);
    std::shared_ptr<const void> m_value;
};

/// How a job ended: a value, an error, or cancelled. Cancelled is not a failure.
class Outcome {
public:
    Outcome() : m_error(Error::cancelled()) {}
    Outcome(Error error) : m_error(std::move(error)) {}
    Outcome(Payload value) : m_value(std::move(value)) {}
    static Outcome cancelled() { return {}; }
    /// Of a core function that returns a value, a shared pointer to one, or nothing.
    template<class T>
    static Outcome from(Result<T> result) {
        if (!result) return Outcome(result.takeError());
        return Outcome(Payload::of(std::move(result).value()));
    }
    template<class T>
    static Outcome from(Result<std::shared_ptr<const T>> result) {
        if (!result) return Outcome(result.takeError());
        return Outcome(Payload(std::move(result).value()));
    }
    static Outcome from(Result<void> result) {
        if (!result) return Outcome(result.takeError());
        return Outcome(Payload());
    }

    bool done() const { return !m_error; }
    bool isCancelled() const { return m_error && m_error->isCancelled(); }
    bool failed() const { return m_error && !m_error->isCancelled(); }
    const Error& error() const { return *m_error; }
    const Payload& value() const { return m_value; }
    template<class T>
    std::shared_ptr<const T> as() const {
        return m_value.as<T>();
    }

private:
    std::optional<Error> m_error;
    Payload m_value;
};

} // namespace qs::app
