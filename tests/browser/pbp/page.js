/**
 * A page as PBP's are: it lists by GET, writes forms to the collection, and waits at /api/_listen for a reason to list again. No call
 * names a type, so jQuery goes by the label of the answer; the page itself parses what it is handed.
 */
$(function () {
  var laterthan = 0;

  function call(method, path, data) {
    return $.ajax({ type: method, url: '/api/' + path, data: data }).fail(function (request) {
      $('#refusal').text(request.status + ' ' + request.responseText);
    });
  }

  function draw(rows) {
    $('#rows').empty();
    $.each(rows, function (_, row) {
      var form = $('<form>').attr('data-id', row.id);
      form.append($('<input type="hidden" name="id">').val(row.id), $('<input name="name">').val(row.name));
      form.append($('<output>').text(row.value), $('<button name="save">').text('Save'), $('<button type="button">').text('Delete'));
      form.appendTo('#rows');
    });
  }

  function list() {
    call('GET', 'testtype').done(function (text) {
      draw(JSON.parse(text));
    });
  }

  function listen() {
    var entries = [{ laterthan: laterthan, types: [{ type: 'testtype', constraints: {} }] }];
    call('POST', '_listen', JSON.stringify(entries))
      .done(function (text) {
        $.each(JSON.parse(text), function (_, event) {
          laterthan = event.mtime;
          list();
        });
        listen();
      })
      .fail(function () {
        setTimeout(listen, 100);
      });
  }

  $('#add').on('submit', function (event) {
    event.preventDefault();
    call('POST', 'testtype', $(this).serialize());
  });
  $('#rows').on('submit', 'form', function (event) {
    event.preventDefault();
    call('PUT', 'testtype', $(this).serialize());
  });
  $('#rows').on('click', 'button[type=button]', function () {
    call('DELETE', 'testtype', { id: $(this).closest('form').attr('data-id') });
  });

  list();
  listen();
});
