// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/EvaluationModel.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"

namespace qs::app {

namespace {

/// Decimals such that the error has two digits: "10.14 ± 0.07".
QString plusMinus(double value, double error) {
    int decimals = 4;
    if (error > 0) decimals = std::clamp(1 - int(std::floor(std::log10(error))), 0, 6);
    const QLocale l;
    return QStringLiteral("%1 ± %2").arg(l.toString(value, 'f', decimals), l.toString(error, 'f', decimals));
}

QString mebibytes(quint64 bytes) {
    return QLocale().toString(double(bytes) / double(1 << 20), 'f', 2);
}

} // namespace

EvaluationModel::EvaluationModel(Session* session, QObject* parent)
    : QAbstractTableModel(parent), m_session(session) {
    refresh();
}

void EvaluationModel::measure(Row& row, const Evaluation& e) {
    const QLocale l;
    row.measured = true;
    row.texts[Perplexity] = e.maskedTokens ? tr("masked-token loss %1").arg(plusMinus(e.nll, e.nllStderr))
                                           : plusMinus(e.perplexity, e.perplexityStderr);
    row.texts[Tokens] = ui::integerText(qint64(e.tokens));
    row.texts[Kl] = e.hasReference ? plusMinus(e.kl, e.klStderr) : QStringLiteral("0");
    row.texts[Top1] =
        e.hasReference ? l.toString(100 * e.top1, 'f', 2) + QStringLiteral(" %") : QStringLiteral("100 %");
    row.toolTip = tr("Loss %1 nats per token.\nProtocol: %2\nText: %3")
                      .arg(l.toString(e.nll, 'f', 5), QString::fromStdString(e.protocol),
                           QString::fromStdString(e.textFingerprint).left(16));
}

EvaluationModel::Row EvaluationModel::original() const {
    Row row;
    const Checkpoint& c = m_session->model()->checkpoint();
    row.texts[Letter] = QStringLiteral("A");
    row.texts[Name] = tr("original");
    row.texts[Recipe] = m_session->title();
    row.texts[Size] = mebibytes(c.totalBytes());
    const uint64_t n = m_session->model()->parameterCount();
    row.texts[Bits] = n ? QLocale().toString(8.0 * double(c.totalBytes()) / double(n), 'f', 2) : QString();
    const auto e = m_session->evaluation();
    if (e && e->before)
        measure(row, *e->before);
    else
        row.texts[Note] = tr("not measured");
    return row;
}

EvaluationModel::Row EvaluationModel::run() const {
    Row row;
    const auto run = m_session->run();
    const PlanSummary& plan = m_session->table()->summary();
    row.texts[Letter] = QStringLiteral("B");
    row.texts[Name] = tr("run");
    const auto e = m_session->evaluation();
    row.stale = m_session->table()->runIsStale() || (e && e->after && m_session->evaluationIsStale());
    if (run) row.texts[Recipe] = QString::fromStdString(run->manifest().planFingerprint).left(12);
    if (run && !row.stale) { // the plan's sizes are those of the present recipe
        row.texts[Size] = mebibytes(plan.totalBytesAfter);
        row.texts[Bits] = QLocale().toString(plan.bitsPerWeight(), 'f', 2);
    }
    if (e && e->after) {
        measure(row, *e->after);
        if (e->before) {
            const bool masked = e->after->maskedTokens;
            const double ratio = masked ? e->after->nll / e->before->nll - 1
                                        : e->after->perplexity / e->before->perplexity - 1;
            row.texts[Note] = (masked ? tr("loss %1%2 %") : tr("perplexity %1%2 %"))
                                  .arg(ratio < 0 ? QStringLiteral("−") : QStringLiteral("+"),
                                       ui::numberText(100 * std::abs(ratio), 3));
        }
        if (row.stale) row.texts[Note] = tr("recipe changed since");
    } else {
        row.texts[Note] = !run ? tr("nothing was quantized yet")
                          : !run->complete()
                              ? tr("not complete: %1").arg(QString::fromStdString(run->statusText()))
                              : tr("not measured");
    }
    return row;
}

void EvaluationModel::refresh() {
    beginResetModel();
    m_rows.clear();
    if (m_session->model()) {
        m_rows.push_back(original());
        m_rows.push_back(run());
    }
    endResetModel();
}

int EvaluationModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_rows.size());
}
int EvaluationModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant EvaluationModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Row& row = m_rows[size_t(index.row())];
    const int c = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return row.texts[c];
    case Qt::ToolTipRole:
        return row.toolTip.isEmpty() ? QVariant() : row.toolTip;
    case Qt::TextAlignmentRole:
        return int((c >= Size && c <= Tokens ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    case Qt::FontRole:
        return c == Perplexity && row.measured ? QVariant(ui::boldFont()) : QVariant();
    case Qt::ForegroundRole:
        if (row.stale || (!row.measured && c == Note)) return ui::theme().text3;
        return {};
    case LetterRole:
        return row.texts[Letter];
    case StaleRole:
        return row.stale;
    default:
        return {};
    }
}

QVariant EvaluationModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole)
        return int((section >= Size && section <= Tokens ? Qt::AlignRight : Qt::AlignLeft) |
                   Qt::AlignVCenter);
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case Kl:
            return tr("Mean KL divergence from the original's next-token distribution. 0 is equal; below "
                      "0.01 is hard "
                      "to notice.");
        case Perplexity:
            return tr("exp of the mean loss; lower is better. ± is one standard error.");
        case Top1:
            return tr("How often the most likely token is the original's.");
        case Bits:
            return tr("Stored bits per weight: of the whole file for the original, of what is quantized for "
                      "the run.");
        default:
            return {};
        }
    }
    if (role != Qt::DisplayRole) return {};
    switch (section) {
    case Letter:
        return QString();
    case Name:
        return tr("run");
    case Recipe:
        return tr("model or plan");
    case Size:
        return tr("size, MiB");
    case Bits:
        return tr("bpw");
    case Kl:
        return tr("KL, nats per token");
    case Perplexity:
        return tr("perplexity");
    case Top1:
        return tr("top-1 agreement");
    case Tokens:
        return tr("tokens");
    case Note:
        return tr("against A");
    default:
        return {};
    }
}

} // namespace qs::app
