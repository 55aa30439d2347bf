// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/KeyValue.h"

#include "widgets/models/Metric.h"

#include <QCoreApplication>
#include <QHash>
#include <algorithm>
#include <cmath>
#include <map>

namespace qs::ui {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("Inspector", text);
}

/// "4.9 / 1 380": weights and activations; a dash for what is not measured.
QString pairText(double w, double x) {
    const auto one = [](double v) { return std::isnan(v) ? QStringLiteral("–") : numberText(v, 3); };
    return one(w) + QStringLiteral(" / ") + one(x);
}

QString percentText(double fraction) {
    return std::isnan(fraction) ? QStringLiteral("–") : numberText(fraction * 100, 3) + QStringLiteral(" %");
}

} // namespace

QVector<KeyValue> describeTensor(const TargetRow& row) {
    QVector<KeyValue> out;
    out.push_back(
        {tr("Shape"),
         QStringLiteral("%1 × %2").arg(integerText(qint64(row.rows)), integerText(qint64(row.cols))),
         tr("Outputs × inputs."), false, false});
    out.push_back({tr("Source"),
                   row.sourceType + QStringLiteral(" · ") + bytesText(row.bytesBefore),
                   {},
                   false,
                   false});
    if (!row.site.isEmpty())
        out.push_back({tr("Site"), row.site, tr("The activation point that feeds this layer."), true, false});
    out.push_back({tr("Kurtosis w / x"), pairText(row.kurtosis, row.activationKurtosis),
                   metricInfo(Metric::Kurtosis).help, false, false});
    out.push_back({tr("absmax w / x"), pairText(row.absmax, row.activationAbsmax),
                   tr("Largest magnitude of the weights, and of the layer's inputs on the calibration text."),
                   false, false});
    out.push_back({tr("Outlier ratio w / x"), pairText(row.outlierRatioWeights, row.outlierRatioActivations),
                   metricInfo(Metric::OutlierRatioWeights).help, false, false});
    out.push_back({tr("σ of w"), std::isnan(row.stddev) ? QStringLiteral("–") : numberText(row.stddev, 3),
                   tr("Population standard deviation."), false, false});
    return out;
}

QVector<KeyValue> describeScheme(const TargetRow& row) {
    QVector<KeyValue> out;
    out.push_back({tr("Format"),
                   QStringLiteral("%1 · %2 bits/w")
                       .arg(row.info->format, QLocale().toString(row.bitsPerWeight(), 'f', 4)),
                   metricInfo(Metric::BitsPerWeight).help, false, false});
    if (row.hasScheme()) out.push_back({tr("Method"), row.info->method, {}, false, false});
    if (!row.info->inputs.isEmpty())
        out.push_back({tr("Inputs"), row.info->inputs,
                       tr("What the layer's inputs are rounded to while the model runs, token by token."),
                       false, false});
    out.push_back({tr("Size"), bytesText(row.bytesAfter),
                   QCoreApplication::translate("Inspector", "%1 bytes, was %2")
                       .arg(integerText(qint64(row.bytesAfter)), integerText(qint64(row.bytesBefore))),
                   false, false});
    if (!row.done.isEmpty()) {
        if (row.different)
            out.push_back({tr("Written"), QStringLiteral("%1 → %2").arg(row.info->format, row.done),
                           tr("Planned and done differ."), false, row.stale});
        out.push_back({tr("Weight error"), percentText(row.weightError), metricInfo(Metric::WeightError).help,
                       false, row.stale});
        out.push_back({tr("Output error"), percentText(row.outputError), metricInfo(Metric::OutputError).help,
                       false, row.stale});
        out.push_back(
            {tr("Largest change"), numberText(row.maxAbsError, 3), tr("max |w − w′|."), false, row.stale});
    }
    if (!std::isnan(row.kl)) {
        const QString value =
            QStringLiteral("%1 · %2").arg(percentText(row.klShare), tr("%1 nats").arg(numberText(row.kl, 2)));
        const QString standIn = klStandInText(row);
        out.push_back({standIn.isEmpty() ? tr("KL share") : tr("KL share, stand-in"), value,
                       (metricInfo(Metric::KlShare).help + QLatin1Char('\n') + standIn).trimmed(), false,
                       row.klStale});
    }
    return out;
}

QVector<KeyValue> describeSelection(const QVector<const TargetRow*>& rows) {
    quint64 bytes = 0;
    double weights = 0;
    QHash<const SchemeInfo*, int> schemes; // few, of many rows
    for (const TargetRow* r : rows) {
        bytes += r->bytesAfter;
        weights += r->weights();
        ++schemes[r->info];
    }
    std::map<QString, int> formats;
    for (auto it = schemes.cbegin(); it != schemes.cend(); ++it)
        formats[it.key()->format] += it.value();
    std::vector<std::pair<QString, int>> sorted(formats.begin(), formats.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    QStringList texts;
    for (const auto& [format, n] : sorted)
        texts << QStringLiteral("%1 × %2").arg(format).arg(n);
    QVector<KeyValue> out;
    out.push_back({tr("Tensors"), integerText(rows.size()), {}, false, false});
    out.push_back({tr("Size"),
                   weights > 0
                       ? QStringLiteral("%1 · %2 bits/w")
                             .arg(bytesText(bytes), QLocale().toString(8.0 * double(bytes) / weights, 'f', 2))
                       : bytesText(bytes),
                   {},
                   false,
                   false});
    out.push_back({tr("Formats"), texts.join(QStringLiteral(" · ")), {}, false, false});
    return out;
}

} // namespace qs::ui
