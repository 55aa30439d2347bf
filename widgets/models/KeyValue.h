// SPDX-License-Identifier: GPL-3.0-or-later
// Name and value pairs for the inspector, as text.
#pragma once

#include "core/metrics/channel_stats.h"
#include "widgets/models/TargetRow.h"

#include <QString>
#include <QVector>

namespace qs::ui {

struct KeyValue {
    QString key, value;
    QString help;       ///< formula, unit, what is good
    bool mono = false;  ///< a name: monospace
    bool stale = false; ///< the value belongs to another scheme
};

/// Identity and statistics of one tensor: shape, source, site, kurtosis, absmax, sigma.
QVector<KeyValue> describeTensor(const TargetRow& row);
/// Scheme and its price: format, method, size, errors, time.
QVector<KeyValue> describeScheme(const TargetRow& row);
/// Totals of several: count, size, bits per weight, formats with counts.
QVector<KeyValue> describeSelection(const QVector<const TargetRow*>& rows);

} // namespace qs::ui
