// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SigmaNote.h"

#include "app/session/Comparison.h"
#include "widgets/models/Metric.h"

#include <QCoreApplication>

namespace qs::app {

namespace {
QString tr(const char* text) {
    return QCoreApplication::translate("SigmaNote", text);
}
} // namespace

QString whyNoSigma(const Calibration* calibration, const QuantTarget& target) {
    if (!calibration) return tr("calibrate first");
    const SiteRecord* site = target.site.empty() ? nullptr : calibration->find(target.site);
    if (!site || site->tokens == 0) return tr("no calibration data for this tensor");
    if (target.cols > kSigmaLimit)
        return tr("Σ of %1 inputs is too large for a preview; a run uses it")
            .arg(ui::integerText(qint64(target.cols)));
    return {};
}

} // namespace qs::app
