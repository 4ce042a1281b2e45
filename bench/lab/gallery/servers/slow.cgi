sleep {{.SlowS}}
printf 'Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n'
