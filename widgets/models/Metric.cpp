// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/Metric.h"

#include <QCoreApplication>
#include <cmath>

namespace qs::ui {

namespace {

constexpr QChar kThinSpace(0x2009);

QString tr(const char* text) {
    return QCoreApplication::translate("Metric", text);
}

MetricInfo make(Metric metric) {
    switch (metric) {
    case Metric::OutlierRatioWeights:
        return {"outlier_ratio_w",
                tr("Outlier ratio of the weights"),
                tr("outlier w"),
                QStringLiteral("×"),
                true,
                false,
                3,
                tr("Largest absmax of an input channel over the median channel's. Below 3 is even, above 6 "
                   "an outlier.")};
    case Metric::OutlierRatioActivations:
        return {"outlier_ratio_x",
                tr("Outlier ratio of the activations"),
                tr("outlier x"),
                QStringLiteral("×"),
                true,
                false,
                3,
                tr("Largest absmax of an input activation channel over the median channel's. Needs "
                   "calibration. Above 6 is an outlier.")};
    case Metric::Kurtosis:
        return {"kurtosis",
                tr("Kurtosis of the weights"),
                tr("kurtosis"),
                QString(),
                true,
                false,
                3,
                tr("Fourth moment over the squared second: 3 for a Gaussian, more with heavy tails.")};
    case Metric::Absmax:
        return {"absmax", tr("Largest weight"),        tr("absmax"), QString(), true, false,
                3,        tr("max |w| of the tensor.")};
    case Metric::BitsNow:
        return {"bits",
                tr("Bits now"),
                tr("bits"),
                QString(),
                false,
                true,
                2,
                tr("Nominal bits per weight of the format in the recipe; the source format's when kept.")};
    case Metric::BitsPerWeight:
        return {"bpw",
                tr("Stored bits per weight"),
                tr("bits/w"),
                QString(),
                false,
                true,
                4,
                tr("Exact: codes, scales and zero points, over the number of weights.")};
    case Metric::WeightError:
        return {"weight_error",
                tr("Weight error, relative"),
                tr("weight err, %"),
                QStringLiteral("%"),
                true,
                false,
                2,
                tr("‖W − W′‖² / ‖W‖², W′ as the run stored it. Lower is better.")};
    case Metric::OutputError:
        return {"output_error",
                tr("Output error, relative (Σ-weighted)"),
                tr("output err, %"),
                QStringLiteral("%"),
                true,
                false,
                2,
                tr("tr(E Σ Eᵀ) / tr(W Σ Wᵀ), E = W − W′: what the layer's outputs lose on the calibration "
                   "text. Lower is better.")};
    case Metric::KlShare:
        return {"kl_share",
                tr("KL share"),
                tr("KL share, %"),
                QStringLiteral("%"),
                true,
                false,
                2,
                tr("KL(original ‖ model with only this layer quantized), over the sum of all that were "
                   "measured: where bits are missed most. On %1 windows of up to %2 tokens of the built-in "
                   "evaluation text; the layer as the run wrote it, else as its scheme says.")
                    .arg(kKlShareWindows)
                    .arg(kKlShareWindowLength)};
    case Metric::ChangeSinceRun:
        return {"change_since_run",
                tr("Change since the last run"),
                tr("change, pp"),
                tr("pp"),
                false,
                false,
                2,
                tr("Output error of this run minus that of the run before, in percentage points. Below zero "
                   "is better."),
                true};
    case Metric::CalibrationTokens:
        return {"calibration_tokens",
                tr("Calibration tokens"),
                tr("tokens"),
                QString(),
                true,
                true,
                3,
                tr("How many tokens of the calibration reached the layer: all of them, or those that the "
                   "router sent to the expert. Few tokens make a poor estimate.")};
    }
    return {};
}

} // namespace

const MetricInfo& metricInfo(Metric metric) {
    static const QVector<MetricInfo> infos = [] {
        QVector<MetricInfo> v;
        for (const Metric m : allMetrics())
            v.push_back(make(m));
        return v;
    }();
    return infos[int(metric)];
}

const QVector<Metric>& allMetrics() {
    // In the order of the enum: metricInfo() indexes by it.
    static const QVector<Metric> all{Metric::OutlierRatioWeights,
                                     Metric::OutlierRatioActivations,
                                     Metric::Kurtosis,
                                     Metric::Absmax,
                                     Metric::BitsNow,
                                     Metric::BitsPerWeight,
                                     Metric::WeightError,
                                     Metric::OutputError,
                                     Metric::KlShare,
                                     Metric::ChangeSinceRun,
                                     Metric::CalibrationTokens};
    return all;
}

Metric metricFromId(const QString& id, Metric fallback) {
    for (const Metric m : allMetrics())
        if (id == QLatin1String(metricInfo(m).id)) return m;
    return fallback;
}

double metricValue(const TargetRow& row, Metric metric) {
    switch (metric) {
    case Metric::OutlierRatioWeights:
        return row.outlierRatioWeights;
    case Metric::OutlierRatioActivations:
        return row.outlierRatioActivations;
    case Metric::Kurtosis:
        return row.kurtosis;
    case Metric::Absmax:
        return row.absmax;
    case Metric::BitsNow:
        return row.info->bits > 0 ? row.info->bits : kNotMeasured;
    case Metric::BitsPerWeight:
        return row.bitsPerWeight() > 0 ? row.bitsPerWeight() : kNotMeasured;
    case Metric::WeightError:
        return row.weightError * 100;
    case Metric::OutputError:
        return row.outputError * 100;
    case Metric::KlShare:
        return row.klShare * 100;
    case Metric::ChangeSinceRun:
        return (row.outputError - row.outputErrorBefore) * 100;
    case Metric::CalibrationTokens:
        return row.tokens;
    }
    return kNotMeasured;
}

bool metricIsStale(const TargetRow& row, Metric metric) {
    switch (metric) {
    case Metric::WeightError:
    case Metric::OutputError:
    case Metric::ChangeSinceRun:
        return row.stale;
    case Metric::KlShare:
        return row.klStale;
    default:
        return false;
    }
}

QString klStandInText(const TargetRow& row) {
    if (std::isnan(row.kl)) return {};
    QStringList out;
    if (row.klNearest)
        out << tr("Measured by a stand-in: rounded to nearest, because %1 needs a calibration and no run has "
                  "written this layer.")
                   .arg(row.info->method);
    if (row.klUnscaled) out << tr("Measured without the transforms of the recipe, which only a run applies.");
    return out.join(QLatin1Char(' '));
}

QString metricText(Metric metric, double value, const QLocale& locale) {
    if (metric == Metric::BitsNow)
        return std::isnan(value) ? QString() : locale.toString(int(std::lround(value)));
    if (metric == Metric::BitsPerWeight)
        return std::isnan(value) ? QString() : locale.toString(value, 'f', 3);
    if (metric == Metric::CalibrationTokens)
        return std::isnan(value) ? QString() : integerText(std::llround(value));
    if (metric == Metric::ChangeSinceRun && value > 0)
        return QLatin1Char('+') + numberText(value, metricInfo(metric).digits, locale);
    return numberText(value, metricInfo(metric).digits, locale);
}

QString integerText(qint64 value) {
    QString digits = QString::number(std::abs(value));
    for (qsizetype i = digits.size() - 3; i > 0; i -= 3)
        digits.insert(i, kThinSpace);
    return value < 0 ? QChar(0x2212) + digits : digits;
}

QString numberText(double value, int significantDigits, const QLocale& locale) {
    if (std::isnan(value)) return {};
    if (std::isinf(value)) return value > 0 ? QStringLiteral("∞") : QStringLiteral("−∞");
    if (value == 0) return QStringLiteral("0");
    const int exponent = int(std::floor(std::log10(std::abs(value))));
    if (exponent >= 15 || exponent < -6) return locale.toString(value, 'e', significantDigits - 1);
    const int decimals = std::max(0, significantDigits - 1 - exponent);
    if (decimals > 0) {
        QLocale plain(locale);
        plain.setNumberOptions(QLocale::OmitGroupSeparator);
        return plain.toString(value, 'f', decimals);
    }
    return integerText(std::llround(value));
}

QString bytesText(quint64 bytes, const QLocale& locale) {
    if (bytes < 1024) return QStringLiteral("%1 B").arg(bytes);
    static const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = double(bytes) / 1024;
    int unit = 0;
    // 1023.995 would print as "1024.00".
    while (v >= 1023.995 && unit < 5) {
        v /= 1024;
        ++unit;
    }
    return locale.toString(v, 'f', v < 100 ? 2 : 1) + QLatin1Char(' ') + QLatin1String(units[unit]);
}

} // namespace qs::ui
