// SPDX-License-Identifier: GPL-3.0-or-later
// The session file `.quantoscope`: JSON that says what was open and how it was looked at. What is big stays
// where it is, in HDF5 files and run folders, and is named by a path relative to the session file, beside the
// absolute one.
#pragma once

#include "app/session/KlRecord.h"

#include <QString>
#include <QStringList>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace qs::app {

struct SessionState {
    /// A part that lies in a file or folder of its own. Empty path: there is none.
    struct Part {
        QString path;        ///< absolute
        QString fingerprint; ///< of what it held when the session was saved
        bool operator==(const Part&) const = default;
    };
    /// A run that Judge compares, and what was measured of it; A is the original and has no run.
    struct Compared {
        char letter = 'A';
        Part run, evaluation;
        bool operator==(const Compared&) const = default;
    };
    Part model, calibration, run;
    std::vector<Compared> compared;
    char against = 'A';       ///< the one that the others are held against; A: none was chosen
    Recipe recipe;            ///< gives the scheme of every tensor
    std::vector<KlRecord> kl; ///< what was measured of single layers
    QStringList selection;    ///< modules
    QString current;          ///< module, "" for none
    /// What the window shows: workspace, metric, rule and the like, by stable keys; values are text.
    std::map<std::string, std::string> view;
    QString savedAs; ///< of an autosave: the session file it belongs to, "" for none
};

/// The text of the file that lies in `folder`.
std::string sessionText(const SessionState& state, const std::filesystem::path& folder);

/// A part that is found at neither of its paths keeps the absolute one. Errors name the file and the field.
Result<SessionState> readSession(const std::filesystem::path& file);

} // namespace qs::app
