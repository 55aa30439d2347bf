// SPDX-License-Identifier: GPL-3.0-or-later
// What an export planned and did, built from the verification's result.
#pragma once

#include "app/session/Session.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QStackedWidget;
class QStandardItemModel;
class QTableView;

namespace qs::ui {
class KeyValueGrid;
class SectionHeader;
} // namespace qs::ui

namespace qs::app {

class ReceiptPane : public QWidget {
    Q_OBJECT
public:
    explicit ReceiptPane(QWidget* parent = nullptr);
    void setReceipt(std::shared_ptr<const Receipt> receipt);
    /// Tab-separated text of everything shown.
    QString asText() const;

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    QWidget* makeContent();
    void fitColumns(); ///< what a column holds is shown whole, tensor names take the rest
    void showBanner();
    void showTotals();
    void showLines();
    void showFiles();

    std::shared_ptr<const Receipt> m_receipt;
    QStackedWidget* m_stack;
    QPushButton* m_copy;
    class Banner;
    Banner* m_banner;
    ui::KeyValueGrid* m_totals;
    ui::SectionHeader* m_linesHead;
    QStandardItemModel* m_lines;
    QTableView* m_table;
    ui::KeyValueGrid* m_files;
};

} // namespace qs::app
