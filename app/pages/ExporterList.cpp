// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExporterList.h"

#include "app/session/LintWatch.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QApplication>
#include <QPainter>
#include <algorithm>

namespace qs::app {

ExporterListModel::ExporterListModel(Session* session, QObject* parent)
    : QAbstractListModel(parent)
    , m_session(session)
    , m_rows(exporters().begin(), exporters().end())
    , m_issues(m_rows.size()) {
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this,
            [this] { emit dataChanged(index(0), index(rowCount() - 1)); });
}

void ExporterListModel::setRuntime(const RuntimeProfile* runtime) {
    beginResetModel();
    m_runtime = runtime;
    m_rows.assign(exporters().begin(), exporters().end());
    if (runtime) m_rows.clear();
    for (const std::string& id : runtime ? runtime->exporters : std::vector<std::string>())
        m_rows.push_back(*findExporter(id));
    m_issues.assign(m_rows.size(), {});
    endResetModel();
    refresh();
}

void ExporterListModel::refresh() {
    m_issues.assign(m_rows.size(), {});
    const auto verdicts = m_runtime && m_session->model()
                              ? m_session->lint()->verdicts(QString::fromStdString(m_runtime->id))
                              : std::vector<FormatVerdict>();
    for (size_t r = 0; r < m_rows.size(); ++r) {
        if (r < verdicts.size()) m_issues[r] = verdicts[r].issues;
        if (m_runtime || !m_session->model()) continue;
        for (const LintIssue& issue : m_session->exportIssues(id(int(r))))
            m_issues[r].push_back({issue, {}});
    }
    emit dataChanged(index(0), index(rowCount() - 1));
}

QString ExporterListModel::id(int row) const {
    return QString::fromStdString(exporter(row).id);
}

int ExporterListModel::rowOf(const QString& id) const {
    for (int r = 0; r < rowCount(); ++r)
        if (this->id(r) == id) return r;
    return -1;
}

int ExporterListModel::count(int row, Severity severity) const {
    const auto& list = m_issues[size_t(row)];
    return int(std::count_if(list.begin(), list.end(),
                             [=](const RuntimeIssue& i) { return i.issue.severity == severity; }));
}

bool ExporterListModel::blocked(int row) const {
    if (row < 0) return false;
    const auto issues = m_session->exportIssues(id(row));
    return std::any_of(issues.begin(), issues.end(),
                       [](const LintIssue& i) { return i.severity == Severity::Error; });
}

int ExporterListModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_rows.size());
}

QString ExporterListModel::status(int row) const {
    if (!m_session->model()) return {};
    const int errors = count(row, Severity::Error), warnings = count(row, Severity::Warning);
    if (m_runtime && errors > 0) return tr("does not load");
    if (m_runtime && warnings > 0) return tr("loads, %n remarks", nullptr, warnings);
    if (m_runtime) return tr("loads");
    if (errors > 0) return tr("%n errors", nullptr, errors);
    if (warnings > 0) return tr("%n warnings", nullptr, warnings);
    return tr("fits");
}

QVariant ExporterListModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const int row = index.row();
    const ExporterDescriptor& e = exporter(row);
    const int errors = count(row, Severity::Error), warnings = count(row, Severity::Warning);
    const QString summary = QString::fromStdString(e.summary);
    switch (role) {
    case Qt::DisplayRole:
        return QString::fromStdString(e.label);
    case SummaryRole:
        if (!m_runtime || errors == 0) return summary;
        for (const RuntimeIssue& i : m_issues[size_t(row)])
            if (i.issue.severity == Severity::Error) return QString::fromStdString(i.issue.message);
        return summary;
    case Qt::ToolTipRole: {
        QStringList runtimes;
        for (const std::string& r : e.runtimes)
            runtimes << QString::fromStdString(r);
        const QString text = tr("%1\nLoads in: %2").arg(summary, runtimes.join(QStringLiteral(", ")));
        if (!m_runtime || !m_session->model()) return text;
        return text + QStringLiteral("\n") +
               tr("%1 %2: %3")
                   .arg(QString::fromStdString(m_runtime->label), QString::fromStdString(m_runtime->version),
                        QString::fromStdString(FormatVerdict{e.id, m_issues[size_t(row)]}.text()));
    }
    case StatusRole:
        return status(row);
    case SeverityRole:
        return int(errors > 0 ? Severity::Error : warnings > 0 ? Severity::Warning : Severity::Info);
    case IdRole:
        return id(row);
    default:
        return {};
    }
}

void ExporterDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                             const QModelIndex& index) const {
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    const QString label = o.text;
    o.text.clear();
    const QStyle* style = o.widget ? o.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &o, painter, o.widget);
    const ui::Theme& t = ui::theme();
    const QString status = index.data(ExporterListModel::StatusRole).toString();
    const auto severity = Severity(index.data(ExporterListModel::SeverityRole).toInt());
    const QColor tone = severity == Severity::Error     ? t.error
                        : severity == Severity::Warning ? t.warning
                                                        : t.ok;
    const char* glyph = severity == Severity::Error     ? "error"
                        : severity == Severity::Warning ? "warning"
                                                        : "tick";
    painter->save();
    const QRectF r = QRectF(option.rect).adjusted(12, 6, -12, -6);
    const double line = r.height() / 2;
    if (!status.isEmpty())
        ui::paintIcon(*painter, QRectF(r.left(), r.top() + (line - 14) / 2, 14, 14),
                      QString::fromLatin1(glyph), tone);
    const QRectF words = r.adjusted(26, 0, 0, 0);
    painter->setFont(option.font);
    painter->setPen(tone);
    painter->drawText(QRectF(words.left(), words.top(), words.width(), line),
                      Qt::AlignRight | Qt::AlignVCenter, status);
    const double room = words.width() - QFontMetricsF(option.font).horizontalAdvance(status) - 10;
    painter->setFont(ui::boldFont());
    painter->setPen(t.text);
    painter->drawText(QRectF(words.left(), words.top(), room, line), Qt::AlignLeft | Qt::AlignVCenter,
                      QFontMetricsF(ui::boldFont()).elidedText(label, Qt::ElideRight, room));
    painter->setFont(option.font);
    painter->setPen(t.text2);
    painter->drawText(QRectF(words.left(), words.top() + line, words.width(), line),
                      Qt::AlignLeft | Qt::AlignVCenter,
                      QFontMetricsF(option.font)
                          .elidedText(index.data(ExporterListModel::SummaryRole).toString(), Qt::ElideRight,
                                      words.width()));
    painter->restore();
}

QSize ExporterDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex&) const {
    return {220, std::max(46, 2 * option.fontMetrics.height() + 14)};
}

} // namespace qs::app
