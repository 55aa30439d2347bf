// SPDX-License-Identifier: Apache-2.0
// What a backend has to say about a command, on stderr when the command has ended.
#pragma once

#include "app/cli/console.h"
#include "core/backend/backend.h"

namespace qs::cli {

class BackendNotes {
public:
    /// Both must outlive it.
    BackendNotes(Backend& backend, Console& console) : backend_(backend), console_(console) {}
    ~BackendNotes() {
        for (const std::string& note : backend_.takeNotes())
            console_.note("note: " + note);
    }
    BackendNotes(const BackendNotes&) = delete;
    BackendNotes& operator=(const BackendNotes&) = delete;

private:
    Backend& backend_;
    Console& console_;
};

} // namespace qs::cli
