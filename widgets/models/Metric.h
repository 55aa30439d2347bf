// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a tensor that can colour a heat map or stand in a table column.
#pragma once

#include "widgets/models/TargetRow.h"

#include <QLocale>
#include <QVector>

namespace qs::ui {

/// How many windows of at most how many tokens KL shares are measured on.
inline constexpr int kKlShareWindows = 4, kKlShareWindowLength = 256;

/// What a map can be coloured by.
enum class Metric {
    OutlierRatioWeights,
    OutlierRatioActivations,
    Kurtosis,
    Absmax,
    BitsNow,
    BitsPerWeight,
    WeightError,
    OutputError,
    KlShare,
    ChangeSinceRun,
    CalibrationTokens,
};

struct MetricInfo {
    const char* id;         ///< for settings
    QString label;          ///< "Output error, relative (Σ-weighted)"
    QString header;         ///< short, for a table column: "output err, %"
    QString unit;           ///< "%", "×", ""
    bool log = false;       ///< colour scale
    bool more = false;      ///< higher is better (bits); else higher is worse
    int digits = 3;         ///< significant digits of text
    QString help;           ///< formula and what is good
    bool diverging = false; ///< about zero; `log` is then ignored
};

const MetricInfo& metricInfo(Metric metric);
const QVector<Metric>& allMetrics();
/// By MetricInfo::id; `fallback` when there is none.
Metric metricFromId(const QString& id, Metric fallback);

/// In the metric's unit (errors in percent); NaN when not measured.
double metricValue(const TargetRow& row, Metric metric);
/// The value belongs to another scheme than the present one.
bool metricIsStale(const TargetRow& row, Metric metric);
/// What `kl` was measured by instead of what a run of the recipe would write; "" when it was that.
QString klStandInText(const TargetRow& row);
/// "7.81", "" for NaN. Locale's decimal mark, thin spaces between digit groups.
QString metricText(Metric metric, double value, const QLocale& locale = QLocale());

/// Significant digits, locale's mark; "" for NaN.
QString numberText(double value, int significantDigits, const QLocale& locale = QLocale());
/// "0.82 MiB", "205.5 MiB", "1.20 GiB", "512 B".
QString bytesText(quint64 bytes, const QLocale& locale = QLocale());
/// Groups of three digits set apart by thin spaces: "14 336".
QString integerText(qint64 value);

} // namespace qs::ui
